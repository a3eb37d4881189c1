"""Resident memory of the whole service: the program and the voices it starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from benchmarks.memory import resident_mb
from tests.system.installed import Service, configuration

SECTION = "Service: resident memory of all its processes"
ABOUT = (
    "the most of all looks in ten seconds, all phrases being made and some played meanwhile;",
    "frames of the network's size, as a Pi's camera delivers them (drawing larger ones takes",
    "the emulated camera memory of its own); a real camera's library comes on top; RSS counts",
    "shared pages in every process, PSS divides them; MB are 10⁶ bytes",
)
SILENT_MB, SPEAKING_MB = Aim(85, "ours"), Aim(110, "ours")

_SECONDS = 10.0
_LOOK_EVERY_S = 0.02
_AS_FROM_A_PI = {"width": 128, "height": 128, "fps": 10.0, "timeout_s": 5.0}
# A sound card that swallows everything, for the players' own memory.
_NULL_SOUND = "pcm.!default { type null }\nctl.!default { type null }\n"


def measure(service: Service) -> Iterator[Figure]:
    """Yield the figures, silent and speaking; raises BenchmarkError."""
    service.box.write("/etc/asound.conf", _NULL_SOUND)
    speaking = {"enabled": True, "output": "aplay"}
    for name, speech, aim in (
        ("speech off", {"enabled": False}, SILENT_MB),
        ("speech on", speaking, SPEAKING_MB),
    ):
        # every phrase is made anew: the most there is to do
        for wav in service.box.path("/var/cache/pi-classifier").rglob("*.wav"):
            wav.unlink()
        service.begin(configuration(camera=_AS_FROM_A_PI, speech=speech))
        most = _most(service, _SECONDS)
        for measure in ("PSS", "RSS"):
            yield Figure(SECTION, name, measure, "MB", most[measure], aim=aim)
        settled = _look(service)
        yield Figure(SECTION, name, "PSS at the end", "MB", settled["PSS"])


def _most(service: Service, seconds: float) -> dict[str, float]:
    most = {"PSS": 0.0, "RSS": 0.0}
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        for name, value in _look(service).items():
            most[name] = max(most[name], value)
        time.sleep(_LOOK_EVERY_S)
    if most["RSS"] == 0:
        raise BenchmarkError(f"the service has no process: {service.status_text}")
    return most


def _look(service: Service) -> dict[str, float]:
    """Resident megabytes of all processes of the service together."""
    together = {"PSS": 0.0, "RSS": 0.0}
    seen = set()
    for pid in service.pids_now():
        command = _command(pid)
        # between vfork and exec a child is its parent, whose memory must not count twice
        if command in seen:
            continue
        seen.add(command)
        found = resident_mb(pid)
        together["PSS"] += found.get("Pss", 0.0)
        together["RSS"] += found.get("Rss", 0.0)
    return together


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""
