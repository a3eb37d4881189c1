"""The phases of a camera's recovery: into the log once each, and to whoever watches."""

from __future__ import annotations

import logging

from pi_classifier.cameras.recovery import RecoveryStep
from pi_classifier.logs.events import Event, entry
from pi_classifier.service.liveness import Waiting

_logger = logging.getLogger(__name__)

# What a step may take longer than it says before it counts as a hang.
_GRACE_S = 5.0


class CameraRecoveryLog:
    """Logs the phases of a camera's recovery, and announces them as waiting.

    `source` is what the camera is known by, `title` what messages call it. The first reason
    is logged as it is; the tries after it only when the reason changes, so that a camera that
    stays away for a night does not fill the journal.
    """

    def __init__(self, source: str, liveness: Waiting, title: str = "camera") -> None:
        self._source = source
        self._title = title
        self._liveness = liveness
        self._reason = ""
        self._lost = False

    def __call__(self, step: RecoveryStep) -> None:
        """Take one step."""
        if step.phase == "recovered":
            self._recovered(step)
        elif step.phase == "gave up":
            self._gave_up(step)
        else:
            self._liveness.waiting(_waiting_for(step), step.limit_s + _GRACE_S)
            if step.phase == "failed":
                self._lost = True
                self._log(logging.WARNING, Event.CAMERA_LOST, f"the {self._title} failed", step)
            elif step.phase == "waiting":
                self._waiting(step)
            elif step.phase in {"restarting", "reopening"}:
                _logger.debug("%s: %s, try %d", self._title, step.phase, step.attempt)

    def _waiting(self, step: RecoveryStep) -> None:
        if step.reason == self._reason:
            return
        kind = Event.CAMERA_STEP if self._lost else Event.CAMERA_WAITING
        self._log(logging.WARNING, kind, f"waiting for the {self._title}", step)

    def _log(self, level: int, event: Event, what: str, step: RecoveryStep) -> None:
        self._reason = step.reason
        extra = entry(event, CAMERA=self._source, STEP=step.phase, TRY=step.attempt)
        _logger.log(level, "%s: %s", what, step.reason, extra=extra)

    def _recovered(self, step: RecoveryStep) -> None:
        self._liveness.resumed()
        extra = entry(
            Event.CAMERA_RECOVERED,
            CAMERA=self._source,
            TRY=step.attempt,
            SECONDS=f"{step.elapsed_s:.1f}",
        )
        text = "the %s gives frames again, after %s in %.1f s"
        _logger.info(text, self._title, _tries(step), step.elapsed_s, extra=extra)
        self._reason, self._lost = "", False

    def _gave_up(self, step: RecoveryStep) -> None:
        # What ends the program is logged where it ends.
        extra = entry(Event.CAMERA_STEP, CAMERA=self._source, STEP=step.phase, TRY=step.attempt)
        if step.attempt:
            text = "the %s did not come back: %s in %.1f s"
            _logger.warning(text, self._title, _tries(step), step.elapsed_s, extra=extra)


def _waiting_for(step: RecoveryStep) -> str:
    if step.phase == "opening" and not step.reason:
        return "Starting: opens the camera"
    tries = f" (try {step.attempt}, {step.elapsed_s:.0f} s)" if step.attempt else ""
    return f"Waiting for the camera{tries}: {step.reason}"


def _tries(step: RecoveryStep) -> str:
    return "1 try" if step.attempt == 1 else f"{step.attempt} tries"
