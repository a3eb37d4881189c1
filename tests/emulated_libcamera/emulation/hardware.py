"""The computer behind the emulated libcamera: its platform, its sensors, its faults."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from emulation.sensors import SENSORS, SensorModel
from emulation.worlds import Chart, World, world_named

VARIABLE = "EMULATED_LIBCAMERA"
Platform = Literal["vc4", "pisp"]
Pace = Literal["real", "lockstep", "virtual"]
_BOOT_NS = 100_000_000_000


@dataclass
class Faults:
    """What goes wrong with one sensor; set at any time, from any thread.

    `acquire_errno`, `start_errno`: opening or starting it fails so. `stalled`: no more
    frames come (a cable knocked loose). `drop`, `errors`, `startup`: so many of the
    next frames are lost, damaged, marked as still settling. `hang_on_stop`: stopping
    it never returns until the event is set (a driver stuck in the kernel). `absent`:
    controls and metadata that it does not have.
    """

    acquire_errno: int = 0
    start_errno: int = 0
    stalled: bool = False
    drop: int = 0
    errors: int = 0
    startup: int = 0
    hang_on_stop: threading.Event | None = None
    absent: frozenset[str] = frozenset()


@dataclass
class EmulatedSensor:
    """One connected sensor.

    `pace`: "real" delivers at the frame rate and loses frames that nobody waits for.
    "lockstep" also, but never before every request is back, so that no frame is lost and
    timestamps are exact; "virtual" likewise, without waiting for the time to pass.
    """

    model: SensorModel
    world: World = field(default_factory=Chart)
    pace: Pace = "real"
    faults: Faults = field(default_factory=Faults)
    number: int = 0
    now_ns: int = _BOOT_NS
    held_by: object = None
    scores: Callable[[float], Sequence[float]] | None = None
    settings: dict[str, object] = field(default_factory=dict)
    """The controls in force."""

    @property
    def id(self) -> str:
        """The name libcamera gives it: its place on the bus."""
        return f"/base/soc/i2c0mux/{self.model.address}" + (f"-{self.number}" * (self.number > 0))

    def time_ns(self) -> int:
        """The time on the clock that its timestamps are of."""
        return time.monotonic_ns() if self.pace == "real" else self.now_ns


class SensorClock:
    """The time by a sensor's own clock, for what waits for that sensor; waiting is skipped.

    A `Clock` of the program's `cameras.stream`. What really passes counts `haste` times:
    a sensor whose frames nobody fetches stands still.
    """

    def __init__(self, sensor: EmulatedSensor, haste: float = 1.0) -> None:
        self._sensor = sensor
        self._haste = haste
        self._skipped_s = 0.0
        self._started_s = time.monotonic()

    def now_s(self) -> float:
        """Return the sensor's time, with what was waited and what really passed on top."""
        passed_s = self._haste * (time.monotonic() - self._started_s)
        return self._sensor.time_ns() / 1e9 + self._skipped_s + passed_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let the time pass at once."""
        self._skipped_s += timeout_s
        return event.is_set()


class Hardware:
    """What is plugged in; tests call `plug`."""

    def __init__(self) -> None:
        self.platform: Platform = "vc4"
        self.sensors: list[EmulatedSensor] = []
        self.largest_buffer: int | None = None
        self.heap_error: OSError | None = None
        self.on_plug: list[Callable[[], None]] = []

    def plug(
        self,
        *models: str,
        platform: Platform = "vc4",
        pace: Pace = "real",
        world: str | World = "chart",
    ) -> list[EmulatedSensor]:
        """Be a Pi with these sensors and no faults; returns the sensors."""
        self.platform = platform
        self.largest_buffer = self.heap_error = None
        self.sensors = [
            EmulatedSensor(
                SENSORS[model],
                world_named(world) if isinstance(world, str) else world,
                pace,
                number=number,
            )
            for number, model in enumerate(models)
        ]
        for changed in self.on_plug:
            changed()
        return self.sensors

    def plug_from(self, text: str) -> None:
        """Be what the variable `EMULATED_LIBCAMERA` says."""
        wanted = json.loads(text)
        world = world_named(wanted.get("world", "garden"), wanted.get("seed", 0))
        self.plug(
            *wanted.get("sensors", ["imx708"]),
            platform=wanted.get("platform", "vc4"),
            pace=wanted.get("pace", "real"),
            world=world,
        )
        faults = wanted.get("faults", {}) if self.sensors else {}
        for name, value in faults.items():
            setattr(self.sensors[0].faults, name, value)
        self.largest_buffer = wanted.get("largest_buffer")


HARDWARE = Hardware()
if VARIABLE in os.environ:
    HARDWARE.plug_from(os.environ[VARIABLE])
