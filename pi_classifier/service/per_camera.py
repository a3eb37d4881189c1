"""Gate and smoother of several cameras: each camera has its own, and its frames go there."""

from __future__ import annotations

from collections.abc import Mapping

from pi_classifier.pipeline import Smooths
from pi_classifier.types import Decision, Frame, Gate, Prediction


class GatePerCamera:
    """Admits a frame that the gate of its camera admits; `gates` are by the camera's name."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self._gates = gates

    def admits(self, frame: Frame) -> bool:
        """Whether the frame is to be classified."""
        return self._gates[frame.camera].admits(frame)


class SmootherPerCamera:
    """Decides on a frame by the smoother of its camera; `smoothers` are by the camera's name."""

    def __init__(self, smoothers: Mapping[str, Smooths]) -> None:
        self._smoothers = smoothers

    def of(self, camera: str) -> Smooths | None:
        """The smoother of one camera, None where there is no such camera."""
        return self._smoothers.get(camera)

    def update(self, frame: Frame, prediction: Prediction) -> Decision | None:
        """Take the prediction of a frame; return a decision on change, else None."""
        return self._smoothers[frame.camera].update(frame, prediction)

    def resume_from(self, other: object) -> None:
        """Take over what the others have announced, so that nothing is announced twice."""
        if isinstance(other, SmootherPerCamera):
            for camera, smoother in self._smoothers.items():
                before = other.of(camera)
                if before is not None:
                    smoother.resume_from(before)
