"""Classify pictures with MediaPipe's ImageClassifier; runs in an environment of its own.

    python classify.py PICTURES.npz MODEL.tflite [PICTURES.npz MODEL.tflite ...]

Prints one JSON object: for each model, for each array in its file, [label, score] pairs,
best first.
"""

from __future__ import annotations

import json
import sys

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

Answers = dict[str, list[tuple[str, float]]]


def answers(pictures: str, model: str) -> Answers:
    """What the model says of each picture."""
    base = BaseOptions(model_asset_path=model)
    options = vision.ImageClassifierOptions(base_options=base, max_results=-1)
    found: Answers = {}
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for name, pixels in np.load(pictures).items():
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(pixels))
            categories = classifier.classify(image).classifications[0].categories
            found[name] = [(c.category_name, float(c.score)) for c in categories]
    return found


if __name__ == "__main__":
    asked = zip(sys.argv[1::2], sys.argv[2::2], strict=True)
    print(json.dumps({model: answers(pictures, model) for pictures, model in asked}))
