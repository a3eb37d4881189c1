"""Finds the real picamera2 and the emulated libcamera below it, which the tests use as well."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError

_REPOSITORY = Path(__file__).parents[1]


def emulated_hardware() -> Any:
    """Put both on the path; returns the module that holds the emulated hardware."""
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    installed = _REPOSITORY / ".venv-picamera2" / f"newest-{minor}"
    if not installed.is_dir():
        raise BenchmarkError(f"there is no picamera2 in {installed}: scripts/bench installs it")
    for path in (_REPOSITORY / "tests" / "emulated_libcamera", installed):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    warnings.filterwarnings("ignore", r"setDaemon\(\) is deprecated", DeprecationWarning)
    return import_module("emulation.hardware")
