"""A camera is opened for a trial and let go of; one in use is left alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NoReturn

import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.errors import CameraBusy, CameraTimeout, CameraUnavailable, ConfigError
from pi_classifier.service import camera_trial
from pi_classifier.service.camera_trial import try_camera
from pi_classifier.types import Camera


def test_a_camera_that_opens_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()

    class Opened:
        def close(self) -> None:
            closed.set()

    monkeypatch.setattr(camera_trial, "camera_opener", lambda *_: Opened)
    assert try_camera(CameraSettings("pi"), None) == "camera: pi, which can be opened"
    assert closed.is_set()


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ([], "another program, perhaps the service uses it now"),
        (["pi-classifier (process 812)"], "pi-classifier (process 812) uses it now"),
        (["motion (process 3)"], None),
    ],
)
def test_one_in_use_by_the_service_is_left_alone(
    users: Sequence[str], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> NoReturn:
        raise CameraBusy("busy", users)

    monkeypatch.setattr(camera_trial, "camera_opener", lambda *_: busy)
    if said is None:
        with pytest.raises(CameraBusy):
            try_camera(CameraSettings("pi"), None)
    else:
        assert try_camera(CameraSettings("pi"), None) == f"camera: pi, not opened, as {said}"


def test_one_that_hangs_is_left_behind_and_closed_if_it_ever_opens() -> None:
    go_on, closed = threading.Event(), threading.Event()

    class Opened:
        def frames(self) -> NoReturn:
            raise AssertionError

        def stop(self) -> None: ...

        def close(self) -> None:
            closed.set()

    def hang() -> Camera:
        go_on.wait(10)
        return Opened()

    with pytest.raises(CameraTimeout, match=r"not opened within 0\.01 s; its driver may hang"):
        camera_trial._opened_within(hang, 0.01)
    go_on.set()
    assert closed.wait(10)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("webcam:77", CameraUnavailable, "no such device"),
        ("replay:/nowhere", ConfigError, "no such folder"),
        ("nocamera", ConfigError, "no such camera"),
    ],
)
def test_what_cannot_be_opened_is_said(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        try_camera(CameraSettings(source), None)


def test_a_password_that_only_the_service_has_is_not_guessed() -> None:
    said = try_camera(CameraSettings("http://me@127.0.0.1:9/x"), None)
    assert said.endswith("not tried, as only the service has its password")
