"""Times the shipped cascade on drawn flowers; runs inside the box, with what is installed there.

Prints ``ms per frame: 0.812``: preprocessing and networks, the median over the frames.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from statistics import median

sys.path.insert(0, "/usr/lib/pi-classifier")

from pi_classifier.cameras.emulated.camera import open_emulated_camera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings

_FRAMES = 120
_ROUNDS = 5


def main() -> None:
    """Draw the frames, then classify them again and again."""
    camera = open_emulated_camera(CameraSettings(source="emulated", realtime=False))
    frames = list(islice(camera.frames(), _FRAMES))
    classifier = open_classifier(ModelSettings())
    for frame in frames:
        classifier.classify(frame)
    times = []
    for _ in range(_ROUNDS):
        for frame in frames:
            start = time.perf_counter()
            classifier.classify(frame)
            times.append(time.perf_counter() - start)
    print(f"ms per frame: {median(times) * 1e3:.4f}")


main()
