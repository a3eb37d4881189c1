"""What this process and its board take, as the kernel tells: memory, frequency, energy.

All of it is read from files below /proc and /sys; what a board does not have stays unknown. Heat
and throttling are in `pi_classifier.system.board`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")
_BYTES_PER_KB = 1024
_BYTES_PER_MB = 1_000_000
# Field 22 of proc(5), counted behind the name, which is the second.
_START_TIME = 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes (10⁶ bytes) of this process.

    `anonymous` is its own; `file_backed` are pages of files, which the system can drop and
    read again; `most` is the most that was resident at any time.
    """

    resident: float
    anonymous: float
    file_backed: float
    most: float


def own_memory(root: Path = _ROOT) -> Memory:
    """The memory of this process as the kernel counts it; zeros where it tells nothing."""
    text = _text(root / "proc/self/status")
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE))

    def megabytes(*names: str) -> float:
        return sum(int(fields.get(n, 0)) for n in names) * _BYTES_PER_KB / _BYTES_PER_MB

    return Memory(
        megabytes("VmRSS"), megabytes("RssAnon"), megabytes("RssFile", "RssShmem"),
        megabytes("VmHWM"),
    )  # fmt: skip


def process_age_s(root: Path = _ROOT) -> float:
    """Seconds since this process began, to a hundredth; 0 where the kernel does not tell."""
    # The name in brackets, which comes second, may hold anything.
    fields = _text(root / "proc/self/stat").rpartition(")")[2].split()
    uptime = _text(root / "proc/uptime").split()
    if len(fields) < _START_TIME or not uptime:
        return 0.0
    return float(uptime[0]) - int(fields[_START_TIME - 1]) / os.sysconf("SC_CLK_TCK")


def board_name(root: Path = _ROOT) -> str:
    """The board's name such as "Raspberry Pi 5 Model B Rev 1.0", else the processor's."""
    model = _text(root / "proc/device-tree/model").strip("\0\n ")
    if model:
        return model
    named = re.search(r"^model name\s*: (.+)$", _text(root / "proc/cpuinfo"), re.MULTILINE)
    return named[1] if named else "an unknown board"


def frequency_mhz(root: Path = _ROOT) -> float | None:
    """The frequency of the first core in MHz."""
    with contextlib.suppress(ValueError):
        return int(_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")) / 1000
    return None


def energy_j(root: Path = _ROOT) -> float | None:
    """A counter of the energy the processor has taken, in joules; None where there is none.

    It begins anywhere, and anew after some hours.
    """
    counters = list(_energy_uj(root))
    return sum(counters) / 1e6 if counters else None


def _energy_uj(root: Path) -> Iterator[int]:
    # One domain for each processor; those below them, with a further colon, are parts of it.
    for domain in root.glob("sys/class/powercap/*:*"):
        if domain.name.count(":") == 1:
            with contextlib.suppress(ValueError):
                yield int(_text(domain / "energy_uj"))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return ""
