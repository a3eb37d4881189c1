from __future__ import annotations

import logging

import pytest

from pi_classifier.cameras.recovery import RecoveryStep
from pi_classifier.logs.events import Event
from pi_classifier.service.camera_recovery_log import CameraRecoveryLog
from pi_classifier.service.liveness import Liveness


def events(caplog: pytest.LogCaptureFixture) -> list[Event]:
    return [record.event for record in caplog.records if hasattr(record, "event")]


def test_the_steps_of_a_recovery_are_logged_once_per_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    liveness = Liveness(lambda: 100.0)
    steps = CameraRecoveryLog("pi", liveness)
    steps(RecoveryStep("failed", 0, "no frame for 5 s", 0.0, 0.0))
    for attempt in range(5):
        steps(RecoveryStep("waiting", attempt, "no camera", float(attempt), 8.0))
        steps(RecoveryStep("reopening", attempt + 1, "no camera", float(attempt), 20.0))
    assert liveness.waiting_for == "Waiting for the camera (try 5, 4 s): no camera"
    assert liveness.deadline_s == 125.0
    steps(RecoveryStep("recovered", 5, "", 12.34, 0.0))
    assert liveness.waiting_for == ""
    assert liveness.deadline_s <= 100.0
    assert events(caplog) == [Event.CAMERA_LOST, Event.CAMERA_STEP, Event.CAMERA_RECOVERED]
    assert caplog.messages[-1] == "the camera gives frames again, after 5 tries in 12.3 s"


def test_a_camera_that_is_not_there_at_first_has_its_own_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps = CameraRecoveryLog("pi", Liveness(lambda: 100.0))
    steps(RecoveryStep("opening", 0, "", 0.0, 20.0))
    steps(RecoveryStep("waiting", 0, "no camera", 0.0, 0.5))
    steps(RecoveryStep("gave up", 9, "no camera", 59.0, 0.0))
    assert events(caplog) == [Event.CAMERA_WAITING, Event.CAMERA_STEP]
