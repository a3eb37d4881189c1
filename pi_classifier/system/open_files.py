"""Who has a device open."""

from __future__ import annotations

import os
from pathlib import Path


def processes_using(*devices: Path, proc: Path = Path("/proc")) -> list[str]:
    """Return the programs that have one of `devices` open, as "motion (process 812)".

    Of other users' programs only root learns; this process is "this program itself".
    """
    wanted = {os.path.realpath(device) for device in devices}
    processes = sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name))
    return [_name(process) for process in processes if _has_open(process / "fd", wanted)]


def _has_open(descriptors: Path, wanted: set[str]) -> bool:
    try:
        entries = list(descriptors.iterdir())
    except OSError:  # another user's, or gone meanwhile
        return False
    for entry in entries:
        try:
            if str(entry.readlink()) in wanted:
                return True
        except OSError:
            continue
    return False


def _name(process: Path) -> str:
    if process.name == str(os.getpid()):
        return "this program itself"
    try:
        name = (process / "comm").read_text(errors="replace").strip()
    except OSError:
        name = "a program"
    return f"{name} (process {process.name})"
