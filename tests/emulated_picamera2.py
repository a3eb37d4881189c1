"""The real picamera2 on the emulated libcamera, in this process.

`scripts/test` installs the newest picamera2 and the oldest one supported, each in a folder
under .venv-picamera2; the variable `PI_CLASSIFIER_PICAMERA2` chooses ("oldest").
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
WHICH = os.environ.get("PI_CLASSIFIER_PICAMERA2", "newest")
INSTALLED = (
    TESTS.parent / ".venv-picamera2" / f"{WHICH}-{sys.version_info[0]}.{sys.version_info[1]}"
)
PATHS = (str(TESTS / "emulated_libcamera"), str(INSTALLED))

if not INSTALLED.is_dir():
    pytest.fail(f"there is no picamera2 in {INSTALLED}: scripts/test installs it", pytrace=False)
for _path in PATHS:
    if _path not in sys.path:
        sys.path.insert(0, _path)

from emulation.hardware import (  # noqa: E402  found on the path above
    HARDWARE,
    EmulatedSensor,
    Pace,
    Platform,
    SensorClock,
)

__all__ = [
    "HARDWARE",
    "INSTALLED",
    "PATHS",
    "WHICH",
    "EmulatedSensor",
    "Pace",
    "Platform",
    "SensorClock",
]
