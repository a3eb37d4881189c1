"""A day of a Pi's camera that fails every few minutes, in accelerated time.

The recovery ladder over the real picamera2 on the emulated libcamera; a sensor that waits
for nothing, so that a day of frames takes minutes.
"""

from __future__ import annotations

import errno
import gc
import random
import selectors
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.picamera import emulated_hardware

_FPS = 1.0
_BETWEEN_S = (60.0, 540.0)  # from one fault to the next: five minutes on average
_SAMPLE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds at one moment of simulated time."""

    at_s: float
    resident_kb: int
    threads: int
    descriptors: int


@dataclass(slots=True)
class Soak:
    """What came of it: faults by kind, steps of the ladder by kind, what was held when."""

    simulated_s: float = 0.0
    frames: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    disorder: int = 0
    """Frames whose number or time did not grow."""


def soak(hours: float, seed: int = 0, between_s: tuple[float, float] = _BETWEEN_S) -> Soak:
    """Run `hours` of simulated time; raises CameraError when the camera stays away."""
    from pi_classifier.cameras.raspberry_pi.camera import PiCamera
    from pi_classifier.cameras.recovery import RecoveringCamera, RecoveryStep
    from pi_classifier.cameras.settings import CameraSettings

    emulated = emulated_hardware()
    (sensor,) = emulated.HARDWARE.plug("imx708", pace="virtual")
    clock = emulated.SensorClock(sensor, haste=10.0)
    settings = CameraSettings(fps=_FPS, timeout_s=5.0)
    result = Soak()
    opened: list[PiCamera] = []

    def opener() -> PiCamera:
        opened[:] = [PiCamera(settings, model_size=(64, 64), clock=clock)]
        return opened[0]

    trouble = _Trouble(emulated.HARDWARE, sensor, opened, random.Random(seed))

    def on_step(step: RecoveryStep) -> None:
        result.steps[step.phase] += 1
        if step.phase == "waiting":
            trouble.time_passes()

    camera = RecoveringCamera(opener, 600.0, on_step=on_step, clock=clock)
    with _accelerated(), closing(camera):
        last = (-1, -1)
        start_ns = due_ns = sample_ns = None
        for frame in camera.frames():
            now_ns = frame.timestamp_ns
            if start_ns is None or due_ns is None or sample_ns is None:
                start_ns, sample_ns = now_ns, now_ns
                due_ns = now_ns + trouble.pause_ns(between_s)
            result.frames += 1
            result.disorder += frame.sequence <= last[0] or now_ns <= last[1]
            last = (frame.sequence, now_ns)
            if now_ns >= due_ns:
                result.faults[trouble.order()] += 1
                due_ns = now_ns + trouble.pause_ns(between_s)
            if now_ns >= sample_ns:
                result.samples.append(_sample((now_ns - start_ns) / 1e9))
                sample_ns += round(_SAMPLE_S * 1e9)
            result.simulated_s = (now_ns - start_ns) / 1e9
            if result.simulated_s >= hours * 3600:
                break
        result.samples.append(_sample(result.simulated_s))
    emulated.HARDWARE.plug()
    return result


class _Trouble:
    """Orders one fault at a time, and mends it after some tries of the ladder."""

    def __init__(
        self, hardware: Any, sensor: Any, opened: list[Any], chance: random.Random
    ) -> None:
        self._hardware = hardware
        self._sensor = sensor
        self._opened = opened
        self._chance = chance
        self._tries = 0

    def pause_ns(self, between_s: tuple[float, float]) -> int:
        """Draw the time to the next fault."""
        return round(self._chance.uniform(*between_s) * 1e9)

    def order(self) -> str:
        """Order a fault; returns its kind."""
        kinds: dict[str, Callable[[], None]] = {
            "no more frames": self._stall,
            "cable off": lambda: self._stall(start_errno=errno.EREMOTEIO),
            "taken by another": lambda: self._stall(
                start_errno=errno.EIO, acquire_errno=errno.EBUSY
            ),
            "no memory": self._no_memory,
            "event loop dead": self._kill_loop,
            "frames lost": lambda: self._set(drop=self._chance.randint(1, 4)),
            "frames damaged": lambda: self._set(errors=self._chance.randint(1, 4)),
        }
        kind = self._chance.choice(sorted(kinds))
        self._tries = self._chance.randint(1, 4)
        kinds[kind]()
        return kind

    def time_passes(self) -> None:
        """Mend what is broken, once the ladder has tried often enough."""
        self._tries -= 1
        if self._tries <= 0:
            self._set(stalled=False, start_errno=0, acquire_errno=0)
            self._hardware.largest_buffer = None

    def _set(self, **faults: object) -> None:
        for name, value in faults.items():
            setattr(self._sensor.faults, name, value)

    def _stall(self, **faults: int) -> None:
        self._set(stalled=True, **faults)

    def _no_memory(self) -> None:
        self._stall(start_errno=errno.ENOMEM)
        self._hardware.largest_buffer = 100

    def _kill_loop(self) -> None:
        """End picamera2's thread, as an exception in it does."""
        self._opened[0]._device.picamera._preview._abort.set()  # noqa: SLF001


class _Impatient(selectors.EpollSelector):
    """picamera2's threads look up five times a second; here fifty times."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / 10)


@contextmanager
def _accelerated() -> Iterator[None]:
    """Shorten the waits that pass in real time."""
    from pi_classifier.cameras.raspberry_pi import device

    before = selectors.DefaultSelector, device._SLICE_S, device._CLOSE_S  # noqa: SLF001
    selectors.DefaultSelector = _Impatient  # type: ignore[misc, assignment]
    device._SLICE_S, device._CLOSE_S = 0.05, 0.5  # noqa: SLF001
    try:
        yield
    finally:
        selectors.DefaultSelector = before[0]  # type: ignore[misc]
        device._SLICE_S, device._CLOSE_S = before[1:]  # noqa: SLF001


def _sample(at_s: float) -> Sample:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(at_s, pages * 4, threading.active_count(), descriptors)
