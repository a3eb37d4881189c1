"""A folder of packed weights, each file for one model, runtime and processor.

XNNPACK rearranges a network's weights for the processor. It can keep them in a file
that it maps into memory instead of holding a private copy, but it trusts that file
blindly: a flipped byte gives wrong scores without an error, a file of another model
a crash. So a file is named by all it depends on, has a checksum beside it, appears
whole or not at all, and whatever does not check out is built again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import mmap
import platform
import re
import shutil
from pathlib import Path
from typing import BinaryIO

from pi_classifier.system.files import (
    all_but_newest,
    check_ours,
    remove_abandoned,
    replacing,
    write_atomic,
)

log = logging.getLogger(__name__)

_SUFFIX = ".weights"
_CHECKSUM_SUFFIX = ".sha256"
# Old models' files would fill a memory card in the end.
_MOST_FILES = 16
# The lines of /proc/cpuinfo that tell processors apart, on x86 and on ARM.
_CPU_FIELDS = re.compile(
    r"^(vendor_id|cpu family|model|model name|stepping|flags|Features"
    r"|CPU (?:implementer|architecture|variant|part|revision))\s*:.*$",
    re.MULTILINE,
)


class WeightCache:
    """The packed weights of one model in `folder`.

    `model_sha256` is the model file's checksum, `runtime` the runtime's name and
    version.
    """

    def __init__(self, folder: Path, model_sha256: str, runtime: str) -> None:
        self.folder = folder
        name = f"{model_sha256[:24]}-{runtime}-{cpu_identity()}{_SUFFIX}"
        self.path = folder / name
        self._checksum_path = folder / (name + _CHECKSUM_SUFFIX)

    def verified(self) -> bool:
        """Whether the file is there and is what was once written; read-only folders serve."""
        try:
            check_ours(self.folder)
            stated = self._checksum_path.read_text("ascii").strip()
            return stated == _checksum(self.path)
        except (OSError, ValueError):
            return False

    def keep(self, packed: BinaryIO) -> None:
        """Write packed weights, which are a whole file, to the folder, with their checksum.

        Creates the folder where it is missing. Raises OSError where it cannot be used, or has
        no room; nothing is left behind then.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_ours(self.folder)
        remove_abandoned(self.folder)
        with replacing(self.path, durable=False) as partial:
            with partial.open("wb") as file:
                shutil.copyfileobj(packed, file)
            # The checksum first: with the old weights it fails, and they are packed again.
            checksum = _checksum(partial, self.path.name) + "\n"
            write_atomic(self._checksum_path, checksum.encode(), durable=False)
        self._drop_oldest()

    def remove(self) -> None:
        """Remove the file and its checksum, if they are there and the folder allows it."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._checksum_path.unlink(missing_ok=True)

    def _drop_oldest(self) -> None:
        with contextlib.suppress(OSError):
            for old in all_but_newest(self.folder, f"*{_SUFFIX}", _MOST_FILES):
                old.unlink()
                old.with_name(old.name + _CHECKSUM_SUFFIX).unlink(missing_ok=True)


def _checksum(path: Path, name: str | None = None) -> str:
    """Return the SHA-256 of the file's name and contents: a renamed file is a wrong one."""
    digest = hashlib.sha256((name or path.name).encode())
    if path.stat().st_size == 0:
        raise OSError(f"{path} is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        digest.update(data)
    return digest.hexdigest()


@functools.cache
def cpu_identity() -> str:
    """Return a short name of this computer's kind of processor."""
    try:
        text = Path("/proc/cpuinfo").read_text()
        lines = {match[0] for match in _CPU_FIELDS.finditer(text)}
    except OSError:
        lines = {platform.processor()}
    digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]
    return f"{platform.machine()}-{digest}"
