"""Modules of this package as child processes: what could crash, hang or swell runs in one."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_PACKAGES = Path(__file__).resolve().parents[2]
# A child that tells more than this has gone wrong; its beginning is enough.
_MOST_OUTPUT = 1 << 20
_LAST_WORDS = 4096


def module_command(name: str) -> tuple[str, ...]:
    """The command line that runs a module of this package, such as ``pi_classifier.cli``."""
    return (sys.executable, "-P", "-m", name)


def with_this_package(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which such a child finds this very package.

    Folders of installed packages are found without help, and must not come before the
    standard library.
    """
    if _PACKAGES.name in {"site-packages", "dist-packages"}:
        return dict(environment)
    paths = (str(_PACKAGES), environment.get("PYTHONPATH", ""))
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit `code`, that of a signal negative, None if it was ended late.

    `output` is what it wrote on stdout, `last_lines` are the last that stand on its stderr.
    """

    code: int | None
    output: bytes
    last_lines: tuple[str, ...]


def run_to_end(
    command: Sequence[str],
    given: bytes,
    limit_s: float,
    descriptors: Sequence[int | None] = (),
) -> Ended:
    """Run a child on `given` as its standard input, for at most `limit_s`.

    It has those of `descriptors` that are not None, under the same numbers.

    What it writes goes to files in memory: however much that is, nothing grows here, and
    the child's own limit on files holds for it. Raises OSError where it cannot be started.
    """
    with _memory_file("stdout") as stdout, _memory_file("stderr") as stderr:
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = subprocess.run(
                command,
                input=given,
                stdout=stdout,
                stderr=stderr,
                env=with_this_package(os.environ) | {"OPENBLAS_NUM_THREADS": "1"},
                timeout=limit_s,
                check=False,
                pass_fds=[number for number in descriptors if number is not None],
            ).returncode
        stdout.seek(0)
        stderr.seek(max(0, os.fstat(stderr.fileno()).st_size - _LAST_WORDS))
        words = stderr.read(_LAST_WORDS).decode("utf-8", "replace")
        return Ended(code, stdout.read(_MOST_OUTPUT), tuple(words.splitlines()))


def _memory_file(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(name), "w+b")


def bound_this_process(memory_bytes: int, file_bytes: int, processor_s: float) -> None:
    """Let this process take `memory_bytes` more than it has, for data of its own; a child's act.

    Beyond that an allocation fails, and so does writing to a file beyond `file_bytes`; more
    than `processor_s` on processors ends it. It is the first that the kernel ends where memory
    runs out, it leaves no core file, and others go before it on a busy processor.
    """
    own = _kilobytes("/proc/self/status", "VmData") << 10
    for kind, most in (
        (resource.RLIMIT_DATA, own + memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CPU, int(processor_s) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError):  # a sandbox that allows no such calls
            resource.setrlimit(kind, (soft, hard))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(OSError):
        os.nice(5)


def free_memory_bytes() -> int:
    """How much memory this program may still take, of the computer's or of its service's."""
    free = _kilobytes("/proc/meminfo", "MemAvailable") << 10
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line for line in lines if line.startswith("0::")).removeprefix("0::/")
        group = Path("/sys/fs/cgroup") / own
        most = int((group / "memory.max").read_text())  # ValueError for "max"
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # Pages of files are given back; those of memory files (shmem) are not.
        taken = int((group / "memory.current").read_text())
        discardable = int(counts["file"]) - int(counts["shmem"])
        free = min(free, most - taken + discardable)
    return max(free, 0)


def _kilobytes(file: str, entry: str) -> int:
    """A figure of a file in /proc; 0 where it is not told."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{entry}:\s*(\d+) kB$", Path(file).read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0
