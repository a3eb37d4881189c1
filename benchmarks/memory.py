"""Memory of the running programs, from /proc/PID/smaps_rollup and smaps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.figures import Aim, Figure
from benchmarks.programs import Pair, Program
from benchmarks.subject import Subject
from pi_classifier.modelfile.model_copy import FOLDER

SECTION = "Memory"
AIM = Aim(75.0, "ours")
# Half, and the pages that only one of them has touched so far.
SHARED = Aim(0.6, "ratio")

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")
_BYTES_PER_KB = 1024
_BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes (10⁶ bytes) of a process, and parts of them.

    `model` and `weights` are pages of the model files and of files with packed
    weights: the system can drop them and read them again at any time. `share` is this
    process's part of both, where pages that several have mapped are shared out among them.
    """

    resident: float
    anonymous: float
    model: float
    weights: float
    share: float


def measure(subject: Subject, programs: Pair, runs: int, settle_s: float) -> Iterator[Figure]:
    """Yield the figures of one model, some time after the first label."""
    files = {str(model.path.resolve()) for model in subject.models}
    cache = programs.cache_dir

    def look(program: Program) -> Memory:
        with program.started() as (process, _):
            time.sleep(settle_s)
            return _memory(Path(f"/proc/{process.pid}"), files, cache)

    pairs = [(look(programs.daemon), look(programs.bare)) for _ in range(runs)]
    parts: tuple[tuple[str, Callable[[Memory], float], Aim | None], ...] = (
        ("resident", lambda memory: memory.resident, AIM),
        ("anonymous", lambda memory: memory.anonymous, None),
        ("model file's pages", lambda memory: memory.model, None),
        ("packed weights' pages", lambda memory: memory.weights, None),
    )
    for name, part, aim in parts:
        ours, bare = median(part(a) for a, _ in pairs), median(part(b) for _, b in pairs)
        yield Figure(SECTION, subject.name, name, "MB", ours, "bare loop", bare, aim=aim)
    with programs.daemon.started():
        second = look(programs.daemon)
        mapped = second.model + second.weights
        about = "of two daemons, model and weights"
        yield Figure(
            SECTION, subject.name, about, "MB", second.share, "mapped", mapped, aim=SHARED
        )


def resident_mb(pid: int) -> dict[str, float]:
    """Megabytes of a process by their names in smaps_rollup: Rss, Pss, …; none if it ended."""
    try:
        return _fields(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return {}


def _memory(process: Path, model_files: set[str], cache_dir: Path) -> Memory:
    rollup = _fields((process / "smaps_rollup").read_text())
    model = weights = share = 0.0
    for path, resident, own in _mappings((process / "smaps").read_text()):
        if path in model_files or path.startswith(f"{cache_dir / FOLDER}/"):
            model += resident
        elif path.startswith(f"{cache_dir}/"):
            weights += resident
        else:
            continue
        share += own
    return Memory(rollup["Rss"], rollup["Anonymous"], model, weights, share)


def _fields(text: str) -> dict[str, float]:
    found = re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)
    return {name: int(value) * _BYTES_PER_KB / _BYTES_PER_MB for name, value in found}


def _mappings(smaps: str) -> Iterator[tuple[str, float, float]]:
    """Yield the path of every mapping, its resident megabytes, and the process's part of them."""
    path, resident = "", 0.0
    for line in smaps.splitlines():
        start = _MAPPING.match(line)
        if start is not None:
            path = start[1]
        elif line.startswith("Rss:"):
            resident = _fields(line)["Rss"]
        elif line.startswith("Pss:"):
            yield path, resident, _fields(line)["Pss"]
