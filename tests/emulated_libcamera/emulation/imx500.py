"""The AI Camera's network: picamera2's own IMX500 class, but for the loading into the sensor.

What it does with a frame's metadata is its own; only `__init__`, which looks for devices
under /sys and reads the network's archive, is replaced.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NEEDS = str(Path(__file__).parents[1] / "imx500_needs")


def install(*, softmax: bool) -> Callable[[], None]:
    """Have picamera2's class load any file at once; returns what undoes it."""
    if _NEEDS not in sys.path:
        sys.path.append(_NEEDS)  # behind the real ones, where they are installed
    from picamera2.devices.imx500 import IMX500, NetworkIntrinsics

    original = IMX500.__init__

    def load(self: Any, network: str, camera_id: str = "") -> None:
        del camera_id
        self.device_fd = None
        with warnings.catch_warnings():
            # the real jsonschema, where it is installed, does not know the schema's schema
            warnings.simplefilter("ignore", DeprecationWarning)
            described = NetworkIntrinsics({"task": "classification", "cpu": {"softmax": softmax}})
        self._IMX500__cfg = {"network_file": network, "intrinsics": described}

    def undo() -> None:
        IMX500.__init__ = original

    IMX500.__init__ = load
    return undo
