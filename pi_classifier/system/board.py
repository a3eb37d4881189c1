"""How warm the board's processor is, whether it is slowed down, and who watches that."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_logger = logging.getLogger(__name__)

_SYS = Path("/sys")
# Bits of the firmware's `get_throttled`, as Raspberry Pi documents `vcgencmd get_throttled`: 1 the
# clock is capped, 2 throttled, 3 the soft limit of temperature. 0 (the voltage is low) slows
# nothing by itself, those from 16 on say what has been.
_SLOWED = 0b1110
_EVERY_S = 2.0
_JOIN_S = 0.2


@dataclass(frozen=True, slots=True)
class BoardState:
    """The processor's temperature in °C (None: it is not told), and whether it is slowed now."""

    temperature_c: float | None = None
    throttled: bool = False


def read_board(root: Path = _SYS) -> BoardState:
    """Read the state from sysfs below `root`; what is not there is not known."""
    zones = sorted(root.glob("class/thermal/thermal_zone*"))
    # A PC has zones for its battery and its radio as well.
    zones.sort(key=lambda zone: not _text(zone / "type").startswith(("cpu", "x86_pkg")))
    temperature_c = None
    with contextlib.suppress(ValueError):
        temperature_c = int(_text(zones[0] / "temp")) / 1000 if zones else None
    flags = 0
    for file in root.glob("devices/platform/soc*/*firmware/get_throttled"):
        with contextlib.suppress(ValueError):
            flags |= int(_text(file), 16)
    return BoardState(temperature_c, bool(flags & _SLOWED))


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:
        return ""


class HeatWatch:
    """Whether the board is too warm, or slowed down, read on a thread of its own.

    The firmware answers in its own time, for which no frame waits. `hottest_c` is the temperature
    from which on the board is too warm. What changes is logged.
    """

    def __init__(self, hottest_c: float, read: Callable[[], BoardState] = read_board) -> None:
        self._hottest_c = hottest_c
        self._read = read
        self._hot = False
        self._ending = threading.Event()
        self.look()
        self._thread = threading.Thread(target=self._run, name="heat", daemon=True)
        self._thread.start()

    @property
    def hot(self) -> bool:
        """Whether the board is to be spared."""
        return self._hot

    def look(self) -> None:
        """Read the board's state now."""
        state = self._read()
        warm = state.temperature_c is not None and state.temperature_c >= self._hottest_c
        hot = warm or state.throttled
        if hot == self._hot:
            return
        self._hot = hot
        degrees = "" if state.temperature_c is None else f" at {state.temperature_c:.0f} °C"
        slowed = ", slowed down by the board" if state.throttled else ""
        what = "is spared: costlier models are not asked" if hot else "is asked for all again"
        _logger.info("the processor%s%s %s", degrees, slowed, what)

    def close(self) -> None:
        """End the thread."""
        self._ending.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._ending.wait(_EVERY_S):
            self.look()
