"""What a box leaves on this machine while it runs, and how that goes: control groups, folders."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

PREFIX = "pi-classifier-box-"
RUN = Path("/run")
CGROUPS = tuple(Path("/sys/fs/cgroup", each) for each in ("", "systemd", "unified"))


def remove_leftovers() -> None:
    """Remove folders and control groups of boxes whose test no longer runs."""
    for folder in (*CGROUPS, RUN):
        for path in folder.glob(f"{PREFIX}*"):
            owner = path.name.removeprefix(PREFIX).split("-")[0]
            if not Path("/proc", owner).exists():
                if folder == RUN:
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    remove_cgroups(path.name)


def is_cgroup(folder: Path) -> bool:
    return (folder / "cgroup.procs").exists()


def make_cgroup(folder: Path) -> Path:
    folder.mkdir()
    return folder


def remove_cgroups(name: str) -> None:
    for group in (each / name for each in CGROUPS if is_cgroup(each)):
        folders = [Path(folder) for folder, _, _ in os.walk(group, topdown=False)]
        for folder in folders:
            for _ in range(100):  # the kernel takes a moment after the last process
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)
                else:
                    break
