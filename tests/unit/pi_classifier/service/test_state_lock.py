"""One copy of the program per state folder."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pi_classifier.errors import EXIT_CONFIG, EXIT_TEMPORARY, ConfigError, StateFolderTaken
from pi_classifier.service.state_lock import LOCK_NAME, hold_state_folder, state_folder

HOLDER = """
import sys
from pathlib import Path
from pi_classifier.service.state_lock import hold_state_folder
with hold_state_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_copy_is_told_who_has_it_and_what_to_do(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        with pytest.raises(StateFolderTaken) as caught, hold_state_folder(tmp_path):
            pass
        other.communicate()
    message = str(caught.value)
    assert str(tmp_path) in message
    assert f"process {other.pid}" in message
    assert f"kill {other.pid}" in message
    assert "run.state_dir" in message
    assert caught.value.exit_code == EXIT_TEMPORARY


@pytest.mark.parametrize("removed", ["lock", "folder"])
def test_a_copy_whose_folder_was_removed_still_counts(tmp_path: Path, removed: str) -> None:
    folder = tmp_path / "state"
    with holder(folder) as other:
        (folder / LOCK_NAME).unlink()
        if removed == "folder":
            folder.rmdir()
        for _ in range(2):
            with (
                pytest.raises(StateFolderTaken, match=f"was removed .*process {other.pid}"),
                hold_state_folder(folder),
            ):
                pass
        other.communicate()
    with hold_state_folder(folder):
        pass


def test_a_lock_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    target, folder = tmp_path / "precious", tmp_path / "state"
    folder.mkdir()
    target.write_text("as it was")
    (folder / LOCK_NAME).symlink_to(target)
    with pytest.raises(ConfigError, match="state cannot be used"), hold_state_folder(folder):
        pass
    assert target.read_text() == "as it was"


def test_what_a_killed_copy_was_writing_is_removed(tmp_path: Path) -> None:
    left = tmp_path / f".partial-{2**22 + 1}-0123456789ab-decisions.jsonl"
    left.write_text("half")
    with hold_state_folder(tmp_path):
        assert not left.exists()


def test_it_is_free_after_the_end_and_after_a_kill(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        other.kill()
        other.wait()
    assert (tmp_path / LOCK_NAME).read_text() == f"{other.pid}\n"  # stale, and of no weight
    with hold_state_folder(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    with hold_state_folder(tmp_path):
        pass
    assert (tmp_path / LOCK_NAME).read_text() == ""


def test_the_folder_is_made_and_is_free_after_an_error_inside(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with hold_state_folder(folder):
        for _ in range(2):
            with pytest.raises(StateFolderTaken), hold_state_folder(folder):
                pass
    with pytest.raises(ZeroDivisionError), hold_state_folder(folder):
        _ = 1 / 0
    with hold_state_folder(folder):
        pass


@pytest.mark.parametrize("content", ["", "soon", "\0\0", "12 34"])
def test_a_holder_without_a_number_is_still_a_holder(tmp_path: Path, content: str) -> None:
    with (tmp_path / LOCK_NAME).open("w") as lock:
        lock.write(content)
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StateFolderTaken, match="pgrep"), hold_state_folder(tmp_path):
            pass


def test_a_folder_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    refused = pytest.raises(ConfigError, match=r"file cannot be used: .*run\.state_dir")
    with refused as caught, hold_state_folder(tmp_path / "file"):
        pass
    assert caught.value.exit_code == EXIT_CONFIG

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(ConfigError, match="No locks available"), hold_state_folder(tmp_path):
        pass


def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert state_folder("") is None
    with hold_state_folder(state_folder("")):
        pass
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/pi-classifier:/var/lib/other")
    assert state_folder("") == Path("/var/lib/pi-classifier")
    assert state_folder("~/x") == Path.home() / "x"
