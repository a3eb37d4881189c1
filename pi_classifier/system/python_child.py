"""Modules of this package as child processes: what could crash or hang runs in one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_PACKAGES = Path(__file__).resolve().parents[2]


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
