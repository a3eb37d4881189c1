"""A camera without a camera: drawn garden scenes, known truth, faults to order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras.emulated.scenes import BACKGROUND, LABELS, Scene
from pi_classifier.cameras.faults import Fault, parse_faults
from pi_classifier.cameras.playback import Clock, Playback
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


class Garden:
    """What the emulated camera looks at: it goes on while the camera is closed.

    Cameras opened one after another on one garden go on where the last one stopped, and
    meet each fault once.
    """

    def __init__(self, settings: CameraSettings) -> None:
        faults = parse_faults(settings.faults)
        self.lasting = [fault for fault in faults if fault.kind in {"drop", "dark"}]
        self.pending = [fault for fault in faults if fault.kind not in {"drop", "dark"}]
        self.sequence = 0
        self.gone: Fault | None = None
        self._refused = 0
        self._shots = _schedule(settings.seed, settings.fps)
        self._shot = next(self._shots)

    def scene(self, sequence: int) -> Scene:
        """Return the scene shown in a frame; frames must be asked for in their order."""
        while sequence >= self._shot.end:
            self._shot = next(self._shots)
        return self._shot.scene

    def admit(self) -> None:
        """Let a camera be opened; raises CameraUnavailable while it is gone."""
        if self.gone is None:
            return
        if self.gone.count and self._refused >= self.gone.count:
            self.gone = None
            self._refused = 0
            return
        self._refused += 1
        raise CameraUnavailable("emulated camera: there is no camera, as ordered; try again later")


class EmulatedCamera:
    """Flowers of about two seconds each, empty ground of about one between them.

    Every frame says in `truth` what it shows. Timestamps are ``sequence / fps``,
    so equal settings give equal frames, byte for byte, at any pace. A fault comes
    once: after a time-out or an error `frames` may be called again and goes on.
    `garden` is what it looks at (default: one of its own); raises CameraUnavailable
    while the camera is gone from it.
    """

    def __init__(
        self, settings: CameraSettings, clock: Clock | None = None, garden: Garden | None = None
    ) -> None:
        self.settings = settings
        self._garden = garden or Garden(settings)
        self._garden.admit()
        self._playback = Playback(
            "emulated camera", self.settings.fps, realtime=self.settings.realtime, clock=clock
        )
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
        garden = self._garden
        with self._playback.running():
            for _ in self._playback.ticks():
                if self._fails(garden.sequence):
                    return
                sequence = garden.sequence
                garden.sequence += 1
                faults = {fault.kind for fault in garden.lasting if fault.covers(sequence)}
                if "drop" not in faults:
                    yield self._frame(sequence, dark="dark" in faults)

    def _frame(self, sequence: int, *, dark: bool) -> Frame:
        timestamp_ns = self._playback.timestamp_ns(sequence)
        if dark:
            return Frame(self._black, sequence, timestamp_ns, BACKGROUND)
        scene = self._garden.scene(sequence)
        noise = np.random.default_rng((self.settings.seed, sequence))
        pixels: NDArray[np.uint8] = scene.render(
            self.settings.height, self.settings.width, timestamp_ns / 1e9, noise
        )
        pixels.flags.writeable = False
        return Frame(pixels, sequence, timestamp_ns, scene.label)

    def _fails(self, sequence: int) -> bool:
        """Raise the fault due before this frame; True if stopped during a stall."""
        garden = self._garden
        due = next((fault for fault in garden.pending if fault.at <= sequence), None)
        if due is not None:
            garden.pending.remove(due)
            if due.kind == "hang":
                _hang()
            if due.kind == "stall":
                return self._stall(due)
            if due.kind == "error":
                raise CameraError(f"emulated camera: failed before frame {due.at}, as ordered")
            garden.gone = due
        if garden.gone is not None:
            raise CameraUnavailable("emulated camera: disappeared, as ordered; open it again")
        return False

    def _stall(self, fault: Fault) -> bool:
        timeout_s = self.settings.timeout_s
        if self._playback.wait(timeout_s):
            return True
        raise CameraTimeout(
            f"emulated camera: no frame within {timeout_s:g} s before frame {fault.at}, as ordered"
        )


def _hang() -> None:
    """Never return, as a driver stuck in the kernel does not."""
    while True:
        threading.Event().wait()


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
