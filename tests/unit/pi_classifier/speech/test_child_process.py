"""Children that can be killed: real processes, each a line of shell."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from pi_classifier.speech.child_process import ChildProcess, ChildResult

LONG_S = 10.0
PROMPT_S = 0.2


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def own_children() -> list[str]:
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if rest.split()[1] == str(os.getpid()):
            names.append(name)
    return names


def run_in_thread(
    child: ChildProcess, argv: list[str], limit_s: float = LONG_S
) -> tuple[threading.Thread, list[ChildResult]]:
    results: list[ChildResult] = []
    thread = threading.Thread(target=lambda: results.append(child.run(argv, limit_s=limit_s)))
    thread.start()
    return thread, results


def wait_for_pid(path: Path) -> int:
    deadline_s = time.monotonic() + LONG_S
    while time.monotonic() < deadline_s:
        text = path.read_text() if path.exists() else ""
        if text.endswith("\n"):
            return int(text)
    raise AssertionError(f"{path} never appeared")


def test_success() -> None:
    result = ChildProcess().run(shell("exit 0"), limit_s=LONG_S)
    assert (result.returncode, result.timed_out, result.killed) == (0, False, False)


def test_failure_with_the_last_line_of_its_stderr() -> None:
    result = ChildProcess().run(
        shell("echo first >&2; echo 'no card' >&2; exit 3"), limit_s=LONG_S
    )
    assert result.returncode == 3
    assert result.stderr_tail == "no card"
    assert ChildProcess().run(shell("exit 3"), limit_s=LONG_S).stderr_tail == "exit status 3"


def test_crash_is_a_negative_status() -> None:
    result = ChildProcess().run(shell("kill -SEGV $$"), limit_s=LONG_S)
    assert (result.returncode, result.killed) == (-11, False)
    assert result.stderr_tail == "ended by signal 11"


def test_missing_program() -> None:
    result = ChildProcess().run(["/nonexistent/aplay"], limit_s=LONG_S)
    assert result.returncode == 127
    assert result.stderr_tail == "/nonexistent/aplay: No such file or directory"


def test_stdin_reaches_it_even_when_it_does_not_read() -> None:
    child = ChildProcess()
    result = child.run(shell('read x; [ "$x" = hello ]'), limit_s=LONG_S, stdin=b"hello\n")
    assert result.returncode == 0
    assert child.run(shell("exit 0"), limit_s=LONG_S, stdin=bytes(2000)).returncode == 0


def test_killed_at_the_limit() -> None:
    start_s = time.monotonic()
    result = ChildProcess().run(["sleep", "60"], limit_s=0.1)
    took_s = time.monotonic() - start_s
    assert result.timed_out
    assert result.returncode == -9
    assert 0.1 <= took_s < 0.1 + PROMPT_S


def test_kill_takes_the_descendants_along(tmp_path: Path) -> None:
    child = ChildProcess()
    grandchild = tmp_path / "pid"
    thread, results = run_in_thread(child, shell(f"sleep 60 & echo $! > {grandchild}; wait"))
    pid = wait_for_pid(grandchild)
    start_s = time.monotonic()
    child.kill()
    thread.join(LONG_S)
    assert time.monotonic() - start_s < PROMPT_S
    assert results[0].killed
    while is_running(pid) and time.monotonic() - start_s < PROMPT_S:
        pass
    assert not is_running(pid)


def test_what_a_child_leaves_behind_is_killed_too(tmp_path: Path) -> None:
    grandchild = tmp_path / "pid"
    result = ChildProcess().run(shell(f"sleep 60 & echo $! > {grandchild}"), limit_s=LONG_S)
    assert result.returncode == 0
    pid = wait_for_pid(grandchild)
    deadline_s = time.monotonic() + PROMPT_S
    while is_running(pid) and time.monotonic() < deadline_s:
        pass
    assert not is_running(pid)


def test_what_escaped_and_holds_stderr_open_is_not_waited_for(tmp_path: Path) -> None:
    escaped = tmp_path / "pid"
    start_s = time.monotonic()
    script = f"setsid sh -c 'echo $$ > {escaped}; exec sleep 60' & wait $!; "
    result = ChildProcess().run(shell(script), limit_s=0.3)
    assert result.timed_out
    assert time.monotonic() - start_s < 0.3 + PROMPT_S
    os.kill(wait_for_pid(escaped), 9)


def test_a_child_no_longer_wanted_is_killed_at_once() -> None:
    start_s = time.monotonic()
    result = ChildProcess().run(["sleep", "60"], limit_s=LONG_S, wanted=lambda: False)
    assert result.killed
    assert time.monotonic() - start_s < PROMPT_S


def test_nothing_runs_after_close(tmp_path: Path) -> None:
    child = ChildProcess()
    child.close()
    child.close()
    result = child.run(shell(f"touch {tmp_path}/ran"), limit_s=LONG_S)
    assert result.killed
    assert not (tmp_path / "ran").exists()


def test_kill_without_a_child_does_nothing_to_the_next() -> None:
    child = ChildProcess()
    child.kill()
    assert child.run(shell("exit 0"), limit_s=LONG_S).returncode == 0
    child.kill()


@pytest.mark.parametrize("limit_s", [0.1, LONG_S])
def test_kernels_without_pidfd_are_polled(monkeypatch: pytest.MonkeyPatch, limit_s: float) -> None:
    def not_implemented(pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", not_implemented)
    sleep_s = "60" if limit_s < 1 else "0.01"
    result = ChildProcess().run(["sleep", sleep_s], limit_s=limit_s)
    assert (result.timed_out, result.returncode) == ((True, -9) if limit_s < 1 else (False, 0))


def test_no_zombies_are_left() -> None:
    before = own_children()
    child = ChildProcess()
    for _ in range(3):
        child.run(shell("exit 0"), limit_s=LONG_S)
        child.run(["sleep", "60"], limit_s=0.01)
    assert own_children() == before
