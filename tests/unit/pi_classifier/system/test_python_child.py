"""Children within bounds: what they take, how they end, what they said last."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from pi_classifier.system.python_child import Ended, free_memory_bytes, run_to_end

ROOT = Path(__file__).parents[4]
BOUNDED = (
    "from pi_classifier.system.python_child import bound_this_process\n"
    "bound_this_process(memory_bytes=32 << 20, file_bytes=1 << 20, processor_s=0.5)\n"
)


def ended(script: str, limit_s: float = 60.0) -> Ended:
    return run_to_end([sys.executable, "-c", script], b"given", limit_s)


def test_what_it_reads_and_writes() -> None:
    script = "import sys; print(sys.stdin.read()); print('a\\nb', file=sys.stderr); sys.exit(3)"
    assert ended(script) == Ended(3, b"given\n", ("a", "b"))


def test_however_much_it_writes_the_last_lines_are_kept() -> None:
    child = ended(
        "import sys\nfor i in range(100_000): print(i, file=sys.stderr)\nprint('x' * (2 << 20))"
    )
    assert child.last_lines[-1] == "99999"
    assert len(child.last_lines) < 1000
    assert len(child.output) == 1 << 20


def test_a_signal_and_a_late_end() -> None:
    assert ended("import os; os.abort()").code == -signal.SIGABRT
    started_s = time.monotonic()
    assert ended("import time; time.sleep(60)", limit_s=0.3).code is None
    assert time.monotonic() - started_s < 30


def test_memory_has_a_bound() -> None:
    assert ended(BOUNDED + "bytearray(8 << 20); print('room')").output == b"room\n"
    child = ended(BOUNDED + "bytearray(64 << 20)")
    assert (child.code, child.last_lines[-1]) == (1, "MemoryError")


def test_files_have_a_bound(tmp_path: Path) -> None:
    write = f"open({str(tmp_path / 'file')!r}, 'wb').write(bytes(2 << 20))"
    child = ended(BOUNDED + write)
    # Python ignores SIGXFSZ and meets the error.
    assert (child.code, "File too large" in child.last_lines[-1]) == (1, True)


def test_the_processors_time_has_a_bound() -> None:
    assert ended(BOUNDED + "while True: pass").code == -signal.SIGXCPU


@pytest.mark.parametrize(("group", "free"), [("max", 6 << 20), ("3145728", 2 << 20)])
def test_free_memory_is_the_computers_or_the_services(
    monkeypatch: pytest.MonkeyPatch, group: str, free: int
) -> None:
    files = {
        "/proc/meminfo": "MemTotal: 9999 kB\nMemAvailable:    6144 kB\n",
        "/proc/self/cgroup": "0::/system.slice/x.service\n",
        "/sys/fs/cgroup/system.slice/x.service/memory.max": group,
        "/sys/fs/cgroup/system.slice/x.service/memory.current": str(4 << 20),
        "/sys/fs/cgroup/system.slice/x.service/memory.stat": f"file {4 << 20}\nshmem {1 << 20}\n",
    }
    monkeypatch.setattr(Path, "read_text", lambda path: files[str(path)])
    assert free_memory_bytes() == free


def test_free_memory_here() -> None:
    assert free_memory_bytes() > 1 << 20
