"""One line for `systemctl status`: what is seen right now, or what is waited for."""

from __future__ import annotations

from collections.abc import Mapping

from pi_classifier.service.counters import Counters
from pi_classifier.service.liveness import CameraLiveness, Liveness
from pi_classifier.sinks.log import message
from pi_classifier.types import Decision

STATUS_EVERY_S = 2.0
_FIRST_AFTER_S = 1.0


def status_line(
    waiting_for: str, decision: Decision | None, counters: Counters, frames_per_s: float | None
) -> str:
    """``I see a daisy (0.93) · 10.0 frames/s · 74 % by the first stage``.

    `waiting_for` is what the frame thread waits for, "" while frames flow; it comes first.
    """
    parts = [waiting_for] if waiting_for else [message(decision)]
    if frames_per_s is not None and not waiting_for:
        parts.append(f"{frames_per_s:.1f} frames/s")
        if counters.admitted:
            parts.append(f"{counters.first_stage_share * 100:.0f} % by the first stage")
        if counters.skipped:
            parts.append(counters.skipped_words)
    if waiting_for and decision is not None:
        parts.append(f"last: {message(decision)}")
    return " · ".join(parts + _losses(counters))


def status_of_several(liveness: Liveness, frames_per_s: Mapping[str, float | None]) -> str:
    """``garden: I see a daisy (0.93); gate: Waiting for the camera: … · 10.0 frames/s by garden``.

    `frames_per_s` are those of each camera, None where there is nothing to say.
    """
    counters = liveness.counters
    states = [_state(name, camera) for name, camera in liveness.cameras.items()]
    rates = [
        f"{per_s:.1f} frames/s by {name}"
        for name, per_s in frames_per_s.items()
        if per_s is not None and not liveness.cameras[name].waiting_for
    ]
    parts = ["; ".join(states), *([", ".join(rates)] if rates else [])]
    if counters.admitted:
        parts.append(f"{counters.first_stage_share * 100:.0f} % by the first stage")
    if counters.skipped:
        parts.append(counters.skipped_words)
    return " · ".join(parts + _losses(counters))


def _state(name: str, camera: CameraLiveness) -> str:
    if not camera.waiting_for and camera.decision is not None:
        return message(camera.decision)  # which begins with the name
    return f"{name}: {camera.waiting_for or message(None)}"


def _losses(counters: Counters) -> list[str]:
    parts = []
    if counters.dropped:
        parts.append(f"{counters.dropped} frames dropped")
    losses = str(counters.losses)
    if losses:
        parts.append(losses)
    return parts


class FrameRate:
    """Frames per second, over the last two seconds or so."""

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._frames = 0
        self._per_s: float | None = None

    def update(self, frames: int, now_s: float) -> float | None:
        """Take the number of frames so far; None until there is something to say."""
        passed_s = now_s - self._since_s
        if passed_s >= STATUS_EVERY_S or (self._per_s is None and passed_s >= _FIRST_AFTER_S):
            self._per_s = (frames - self._frames) / passed_s if frames else None
            self._since_s, self._frames = now_s, frames
        return self._per_s
