"""Children that can be killed: real processes, each a line of shell."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from pi_classifier.speech.child_process import ChildSlot, Ended

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
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if rest.split()[1] == str(os.getpid()):
            found.append(name)
    return found


def run_in_thread(
    slot: ChildSlot, argv: list[str], limit_s: float = LONG_S
) -> tuple[threading.Thread, list[Ended]]:
    ended: list[Ended] = []
    thread = threading.Thread(target=lambda: ended.append(slot.run(argv, limit_s=limit_s)))
    thread.start()
    return thread, ended


def wait_for_pid(path: Path) -> int:
    deadline_s = time.monotonic() + LONG_S
    while time.monotonic() < deadline_s:
        text = path.read_text() if path.exists() else ""
        if text.endswith("\n"):
            return int(text)
    raise AssertionError(f"{path} never appeared")


def test_success() -> None:
    ended = ChildSlot().run(shell("exit 0"), limit_s=LONG_S)
    assert (ended.returncode, ended.timed_out, ended.killed) == (0, False, False)


def test_failure_with_its_last_words() -> None:
    ended = ChildSlot().run(shell("echo first >&2; echo 'no card' >&2; exit 3"), limit_s=LONG_S)
    assert ended.returncode == 3
    assert ended.last_words == "no card"
    assert ChildSlot().run(shell("exit 3"), limit_s=LONG_S).last_words == "exit status 3"


def test_crash_is_a_negative_status() -> None:
    ended = ChildSlot().run(shell("kill -SEGV $$"), limit_s=LONG_S)
    assert (ended.returncode, ended.killed) == (-11, False)
    assert ended.last_words == "ended by signal 11"


def test_missing_program() -> None:
    ended = ChildSlot().run(["/nonexistent/aplay"], limit_s=LONG_S)
    assert ended.returncode == 127
    assert ended.last_words == "/nonexistent/aplay: No such file or directory"


def test_stdin_reaches_it_even_when_it_does_not_read() -> None:
    slot = ChildSlot()
    ended = slot.run(shell('read x; [ "$x" = hello ]'), limit_s=LONG_S, stdin=b"hello\n")
    assert ended.returncode == 0
    assert slot.run(shell("exit 0"), limit_s=LONG_S, stdin=bytes(2000)).returncode == 0


def test_killed_at_the_limit() -> None:
    start_s = time.monotonic()
    ended = ChildSlot().run(["sleep", "60"], limit_s=0.1)
    took_s = time.monotonic() - start_s
    assert ended.timed_out
    assert ended.returncode == -9
    assert 0.1 <= took_s < 0.1 + PROMPT_S


def test_kill_takes_the_descendants_along(tmp_path: Path) -> None:
    slot = ChildSlot()
    grandchild = tmp_path / "pid"
    thread, ended = run_in_thread(slot, shell(f"sleep 60 & echo $! > {grandchild}; wait"))
    pid = wait_for_pid(grandchild)
    start_s = time.monotonic()
    slot.kill()
    thread.join(LONG_S)
    assert time.monotonic() - start_s < PROMPT_S
    assert ended[0].killed
    while is_running(pid) and time.monotonic() - start_s < PROMPT_S:
        pass
    assert not is_running(pid)


def test_what_a_child_leaves_behind_is_killed_too(tmp_path: Path) -> None:
    grandchild = tmp_path / "pid"
    ended = ChildSlot().run(shell(f"sleep 60 & echo $! > {grandchild}"), limit_s=LONG_S)
    assert ended.returncode == 0
    pid = wait_for_pid(grandchild)
    deadline_s = time.monotonic() + PROMPT_S
    while is_running(pid) and time.monotonic() < deadline_s:
        pass
    assert not is_running(pid)


def test_what_escaped_and_holds_stderr_open_is_not_waited_for(tmp_path: Path) -> None:
    escaped = tmp_path / "pid"
    start_s = time.monotonic()
    script = f"setsid sh -c 'echo $$ > {escaped}; exec sleep 60' & wait $!; "
    ended = ChildSlot().run(shell(script), limit_s=0.3)
    assert ended.timed_out
    assert time.monotonic() - start_s < 0.3 + PROMPT_S
    os.kill(wait_for_pid(escaped), 9)


def test_a_child_no_longer_wanted_is_killed_at_once() -> None:
    start_s = time.monotonic()
    ended = ChildSlot().run(["sleep", "60"], limit_s=LONG_S, wanted=lambda: False)
    assert ended.killed
    assert time.monotonic() - start_s < PROMPT_S


def test_nothing_runs_after_close(tmp_path: Path) -> None:
    slot = ChildSlot()
    slot.close()
    slot.close()
    ended = slot.run(shell(f"touch {tmp_path}/ran"), limit_s=LONG_S)
    assert ended.killed
    assert not (tmp_path / "ran").exists()


def test_kill_without_a_child_does_nothing_to_the_next() -> None:
    slot = ChildSlot()
    slot.kill()
    assert slot.run(shell("exit 0"), limit_s=LONG_S).returncode == 0
    slot.kill()


def test_no_zombies_are_left() -> None:
    before = own_children()
    slot = ChildSlot()
    for _ in range(3):
        slot.run(shell("exit 0"), limit_s=LONG_S)
        slot.run(["sleep", "60"], limit_s=0.01)
    assert own_children() == before
