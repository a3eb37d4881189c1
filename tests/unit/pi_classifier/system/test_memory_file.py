"""Files in memory: they hold what was put in, for good, and a process can close itself."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_classifier.system.memory_file import MemoryFile, sealed_memory_file

_CLOSED = """
import ctypes
from pi_classifier.system.memory_file import forbid_core_dumps
dumpable = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
print(dumpable())
forbid_core_dumps()
print(dumpable())
"""


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def memory_file() -> MemoryFile:
    return sealed_memory_file("model", [b"first, ", b"", b"second"])


def test_it_is_a_file_without_a_place_that_goes_with_its_object() -> None:
    before = descriptors()
    file = memory_file()
    assert file.path.read_bytes() == b"first, second"
    assert str(file.path.readlink()) == "/memfd:model (deleted)"
    del file
    assert descriptors() == before


def test_a_child_that_is_given_it_reads_it() -> None:
    file = memory_file()
    command, given = ["cat", str(file.path)], [file.descriptor]
    assert subprocess.run(command, pass_fds=given, stdout=-1, check=True).stdout == (
        b"first, second"
    )
    assert subprocess.run(command, stderr=-1, check=False).returncode != 0


def test_it_can_neither_be_changed_nor_unsealed() -> None:
    file = memory_file()
    sealed = file.descriptor
    for change in (
        lambda: os.pwrite(sealed, b"F", 0),
        lambda: os.ftruncate(sealed, 1),
        lambda: os.ftruncate(sealed, 100),
        lambda: fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE),
    ):
        with pytest.raises(PermissionError):
            change()
    assert os.pread(sealed, 100, 0) == b"first, second"


def test_nothing_stays_of_one_that_was_not_finished() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise ValueError("the second is damaged")

    before = descriptors()
    with pytest.raises(ValueError, match="damaged"):
        sealed_memory_file("model", pieces())
    assert descriptors() == before


def test_a_process_can_close_its_memory_to_core_dumps() -> None:
    command = [sys.executable, "-c", _CLOSED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]
