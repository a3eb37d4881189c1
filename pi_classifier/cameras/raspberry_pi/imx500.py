"""The AI Camera: its IMX500 sensor runs the network, and sends scores with its frames."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras.raspberry_pi import picamera2_api
from pi_classifier.cameras.raspberry_pi.camera import PiCamera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraError, ConfigError
from pi_classifier.system.folders import expanded

_logger = logging.getLogger(__name__)


def network_file(text: str) -> Path:
    """Return the path of the network; raises ConfigError when there is none."""
    path = expanded(text)
    if not text or not path.is_file():
        named = f"{path}: there is no such file" if text else "no network is named"
        raise ConfigError(
            f'camera "imx500:{text}": {named}; expected a network for the sensor, such as '
            "imx500:/usr/share/imx500-models/imx500_network_mobilenet_v2.rpk (sudo apt install "
            "imx500-all)"
        )
    return path


def open_imx500(path: Path, settings: CameraSettings) -> PiCamera:
    """Load the network at `path` into the sensor and open its camera.

    Frames carry the network's scores; the model "imx500" makes predictions of them.
    Raises CameraUnavailable, CameraError, ConfigError.
    """
    device = picamera2_api.open_network(path)
    _logger.info("%s: uploading it to the sensor, which takes minutes the first time", path)
    return PiCamera(settings, "imx500", read_scores=_Scores(device))


class _Scores:
    """Reads the scores from a frame's metadata, as the network's description says."""

    def __init__(self, device: Any) -> None:
        self._device = device
        described = device.network_intrinsics
        self._softmax = bool(described is not None and described.softmax)

    def __call__(self, metadata: Mapping[str, Any]) -> NDArray[np.float32] | None:
        outputs = self._device.get_outputs(metadata)
        if outputs is None:  # slower than the frames
            return None
        if len(outputs) != 1:
            raise CameraError(
                f'camera "imx500": the network has {len(outputs)} outputs, so it is no '
                "classifier (it may detect objects); expected one output: a score for each label"
            )
        scores = np.asarray(outputs[0], np.float32).reshape(-1)
        if self._softmax:
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
        scores.flags.writeable = False
        return scores
