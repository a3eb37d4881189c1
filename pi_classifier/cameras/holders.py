"""Who else has a device open."""

from __future__ import annotations

import os
from pathlib import Path


def holders(device: Path, proc: Path = Path("/proc")) -> list[str]:
    """Return the programs that have `device` open, as "motion (process 812)".

    Of other users' programs only root learns; this process is not counted.
    """
    wanted = os.path.realpath(device)
    others = [each for each in proc.glob("[0-9]*") if each.name != str(os.getpid())]
    return [
        f"{_name(process)} (process {process.name})"
        for process in sorted(others, key=lambda path: int(path.name))
        if _has_open(process / "fd", wanted)
    ]


def _has_open(descriptors: Path, wanted: str) -> bool:
    try:
        entries = list(descriptors.iterdir())
    except OSError:  # another user's, or gone meanwhile
        return False
    for entry in entries:
        try:
            if str(entry.readlink()) == wanted:
                return True
        except OSError:
            continue
    return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"
