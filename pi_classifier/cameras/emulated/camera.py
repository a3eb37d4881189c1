"""A camera without a camera: drawn garden scenes, known truth, faults to order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras.emulated.scenes import BACKGROUND, LABELS, MEADOW_REACH, Scene
from pi_classifier.cameras.faults import Fault, FaultKind, parse_faults
from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.playback import Playback, PlayedCamera, frame_time_ns
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.stream import Clock
from pi_classifier.errors import CameraError, CameraTimeout, CameraUnavailable
from pi_classifier.types import Frame

MEADOW = "meadow"

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
    meet each fault once. A `wide` view shows one small flower at a time, somewhere in it.
    """

    def __init__(self, settings: CameraSettings, *, wide: bool = False) -> None:
        faults = parse_faults(settings.faults)
        self._lasting = [fault for fault in faults if fault.kind in {"drop", "dark"}]
        self._pending = [fault for fault in faults if fault.kind not in {"drop", "dark"}]
        self.sequence = 0  # the next frame
        self._gone: Fault | None = None
        self._refused = 0
        self._shots = _schedule(settings.seed, settings.fps, MEADOW_REACH if wide else 1.0)
        self._shot = next(self._shots)

    def scene(self, sequence: int) -> Scene:
        """Return the scene shown in a frame; frames must be asked for in their order."""
        while sequence >= self._shot.end:
            self._shot = next(self._shots)
        return self._shot.scene

    def admit(self) -> None:
        """Let a camera be opened; raises CameraUnavailable while it is gone."""
        if self._gone is None:
            return
        if self._gone.count and self._refused >= self._gone.count:
            self._gone = None
            self._refused = 0
            return
        self._refused += 1
        raise CameraUnavailable("emulated camera: there is no camera, as ordered; try again later")

    def pop_fault(self) -> Fault | None:
        """Return the fault that is due before the next frame; only "disappear" lasts."""
        fault = next((fault for fault in self._pending if fault.at <= self.sequence), None)
        if fault is not None:
            self._pending.remove(fault)
            if fault.kind == "disappear":
                self._gone = fault
        return fault or self._gone

    def lasting_kinds(self, sequence: int) -> set[FaultKind]:
        """Return the kinds of fault that concern this very frame."""
        return {fault.kind for fault in self._lasting if fault.covers(sequence)}


def open_emulated_camera(
    settings: CameraSettings, clock: Clock | None = None, garden: Garden | None = None
) -> PlayedCamera:
    """Show flowers of about two seconds each, empty ground of about one between them.

    Every frame says in `truth` what it shows. Timestamps are ``sequence / fps``, so equal
    settings give equal frames, byte for byte, at any pace. `garden` is what it looks at
    (default: one of its own). A fault comes once: after CameraTimeout or CameraError the
    frames may be called for again and go on. Raises CameraUnavailable while the camera is
    gone from the garden.
    """
    garden = garden or Garden(settings)
    garden.admit()
    playback = Playback("emulated camera", realtime=settings.realtime, clock=clock)
    return PlayedCamera(playback, _GardenFrames(garden, settings, playback))


class _GardenFrames:
    """The garden's frames and faults; no generator, which an error would end for good."""

    def __init__(self, garden: Garden, settings: CameraSettings, playback: Playback) -> None:
        self._garden = garden
        self._settings = settings
        self._playback = playback
        self._seen = Orientation.of(settings)
        self._black = self._seen(np.zeros((settings.height, settings.width, 3), np.uint8))
        self._black.flags.writeable = False

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Return the next frame that is not dropped, or raise the fault due before it.

        What comes in place of a frame comes when that frame would have been due.
        """
        while True:
            sequence = self._garden.sequence
            time_ns = frame_time_ns(sequence, self._settings.fps)
            fault = self._garden.pop_fault()
            if fault is not None:
                if self._playback.wait_until_due(time_ns):
                    self._fail(fault)
                raise StopIteration
            self._garden.sequence += 1
            kinds = self._garden.lasting_kinds(sequence)
            if "drop" not in kinds:
                return self._frame(sequence, time_ns, dark="dark" in kinds)
            if not self._playback.wait_until_due(time_ns):
                raise StopIteration

    def _frame(self, sequence: int, time_ns: int, *, dark: bool) -> Frame:
        if dark:
            return Frame(self._black, sequence, time_ns, BACKGROUND)
        scene = self._garden.scene(sequence)
        noise = np.random.default_rng((self._settings.seed, sequence))
        pixels: NDArray[np.uint8] = self._seen(
            scene.render(self._settings.height, self._settings.width, time_ns / 1e9, noise)
        )
        pixels.flags.writeable = False
        return Frame(pixels, sequence, time_ns, scene.label)

    def _fail(self, fault: Fault) -> None:
        """Raise what a camera with this fault raises; return if it is stopped meanwhile."""
        if fault.kind == "hang":
            _hang()
        if fault.kind == "disappear":
            raise CameraUnavailable("emulated camera: disappeared, as ordered; open it again")
        if fault.kind == "error":
            raise CameraError(f"emulated camera: failed before frame {fault.at}, as ordered")
        timeout_s = self._settings.timeout_s
        if self._playback.wait(timeout_s):
            raise CameraTimeout(
                f"emulated camera: no frame within {timeout_s:g} s before frame {fault.at}, "
                "as ordered"
            )


def _hang() -> None:
    """Never return, as a driver stuck in the kernel does not."""
    while True:
        threading.Event().wait()


def _schedule(seed: int, fps: float, reach: float = 1.0) -> Iterator[_Shot]:
    """Yield scenes for ever: ground, a flower, ground, another flower."""
    rng = np.random.default_rng(seed)
    start = 0
    for label in _flowers(rng):
        for shown, length_s, fewest in (
            (BACKGROUND, _GROUND_S, _FEWEST_GROUND_FRAMES),
            (label, _FLOWER_S, _FEWEST_FLOWER_FRAMES),
        ):
            end = start + max(fewest, round(float(rng.uniform(*length_s)) * fps))
            yield _Shot(Scene.draw(shown, rng, reach), start, end)
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
