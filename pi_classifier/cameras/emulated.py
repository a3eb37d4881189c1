"""A camera without a camera: drawn garden scenes, known truth, faults to order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras.faults import Fault, parse_faults
from pi_classifier.cameras.playback import Clock, Playback
from pi_classifier.cameras.scenes import BACKGROUND, LABELS, Scene
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraError, CameraTimeout, CameraUnavailable
from pi_classifier.types import Frame

_FLOWER_S = (1.6, 2.6)
_GROUND_S = (0.8, 1.4)
# So few frames of a scene that no decision could be reached are no use to anyone.
_FEWEST_FLOWER_FRAMES = 10
_FEWEST_GROUND_FRAMES = 5


@dataclass(frozen=True, slots=True)
class _Shot:
    """One scene of the schedule and the frames it lasts."""

    scene: Scene
    start: int
    end: int


class EmulatedCamera:
    """Flowers of about two seconds each, empty ground of about one between them.

    Every frame says in `truth` what it shows. Timestamps are ``sequence / fps``,
    so equal settings give equal frames, byte for byte, at any pace. A fault comes
    once: after a time-out or an error `frames` may be called again and goes on.
    """

    def __init__(self, settings: CameraSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self._playback = Playback(
            "emulated camera", self.settings.fps, realtime=self.settings.realtime, clock=clock
        )
        self._shots = _schedule(self.settings.seed, self.settings.fps)
        self._shot = next(self._shots)
        self._sequence = 0
        self._gone = False
        faults = parse_faults(self.settings.faults)
        self._lasting = [fault for fault in faults if fault.kind in ("drop", "dark")]
        self._pending = [fault for fault in faults if fault.kind not in ("drop", "dark")]
        self._black = np.zeros((self.settings.height, self.settings.width, 3), np.uint8)
        self._black.flags.writeable = False

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `stop`.

        Raises CameraClosed after `close`, CameraTimeout, CameraError and
        CameraUnavailable as ordered.
        """
        self._playback.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good."""
        self._playback.stop()

    def close(self) -> None:
        """End the frames and refuse further ones."""
        self._playback.close()

    def _frames(self) -> Iterator[Frame]:
        with self._playback.running():
            for _ in self._playback.ticks():
                if self._fails(self._sequence):
                    return
                sequence = self._sequence
                self._sequence += 1
                faults = {fault.kind for fault in self._lasting if fault.covers(sequence)}
                if "drop" not in faults:
                    yield self._frame(sequence, dark="dark" in faults)

    def _frame(self, sequence: int, *, dark: bool) -> Frame:
        timestamp_ns = self._playback.timestamp_ns(sequence)
        if dark:
            return Frame(self._black, sequence, timestamp_ns, BACKGROUND)
        while sequence >= self._shot.end:
            self._shot = next(self._shots)
        scene = self._shot.scene
        noise = np.random.default_rng((self.settings.seed, sequence))
        pixels: NDArray[np.uint8] = scene.render(
            self.settings.height, self.settings.width, timestamp_ns / 1e9, noise
        )
        pixels.flags.writeable = False
        return Frame(pixels, sequence, timestamp_ns, scene.label)

    def _fails(self, sequence: int) -> bool:
        """Raise the fault due before this frame; True if stopped during a stall."""
        due = next((fault for fault in self._pending if fault.at <= sequence), None)
        if due is not None:
            self._pending.remove(due)
            if due.kind == "stall":
                return self._stall(due)
            if due.kind == "error":
                raise CameraError(f"emulated camera: failed before frame {due.at}, as ordered")
            self._gone = True
        if self._gone:
            raise CameraUnavailable("emulated camera: disappeared, as ordered; open it again")
        return False

    def _stall(self, fault: Fault) -> bool:
        timeout_s = self.settings.timeout_s
        if self._playback.wait(timeout_s):
            return True
        raise CameraTimeout(
            f"emulated camera: no frame within {timeout_s:g} s before frame {fault.at}, as ordered"
        )


def _schedule(seed: int, fps: float) -> Iterator[_Shot]:
    """Yield scenes for ever: ground, a flower, ground, another flower."""
    rng = np.random.default_rng(seed)
    start = 0
    for label in _flowers(rng):
        for shown, length_s, fewest in (
            (BACKGROUND, _GROUND_S, _FEWEST_GROUND_FRAMES),
            (label, _FLOWER_S, _FEWEST_FLOWER_FRAMES),
        ):
            end = start + max(fewest, round(float(rng.uniform(*length_s)) * fps))
            yield _Shot(Scene.draw(shown, rng), start, end)
            start = end


def _flowers(rng: np.random.Generator) -> Iterator[str]:
    """Yield the flowers' labels in shuffled rounds, never the same twice in a row."""
    last = ""
    while True:
        labels = [str(label) for label in rng.permutation(LABELS[1:])]
        if labels[0] == last:
            labels.reverse()
        yield from labels
        last = labels[-1]
