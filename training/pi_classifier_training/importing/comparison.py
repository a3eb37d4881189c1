"""Whether an imported file gives the scores that its original gives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pi_classifier.errors import ImageError
from pi_classifier.inference.classifier import ModelClassifier
from pi_classifier.modelfile.manifest import Resize
from pi_classifier.modelfile.model_file import upsample_nearest
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier_training.conversion.reference import Pixels, normalized
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.importing.original import Original

# How far two scores may be off, times the largest score where outputs are logits. Float
# networks compute the same up to the order of additions; integer ones round.
FLOAT_TOLERANCE = 1e-3
TOLERANCE = {"int8": 0.06, "dynamic": 0.06, "mixed": 0.06}
MOSAICS, PHOTOS = 8, 200
_TILES = 6


def comparison_pictures(
    size: tuple[int, int], resize: Resize, image_dirs: Sequence[Path]
) -> tuple[Iterator[Pixels], str]:
    """Pictures uint8 ``[height, width, 3]`` of `size` to compare on, and what they are.

    Photos spread evenly over the folders, at most `PHOTOS`; mosaics where there are none.
    """
    if not image_dirs:
        rng = np.random.default_rng(1)
        tiles = (rng.integers(0, 256, (_TILES, _TILES, 3), np.uint8) for _ in range(MOSAICS))
        return (upsample_nearest(tile, size) for tile in tiles), f"{MOSAICS} mosaics"
    photos = scan(image_dirs)
    chosen = photos[:: -(-len(photos) // PHOTOS)]
    return _photos([p.path for p in chosen], Preprocessor(size, resize)), f"{len(chosen)} photos"


def _photos(paths: Sequence[Path], preprocess: Preprocessor) -> Iterator[Pixels]:
    for path in paths:
        with contextlib.suppress(ImageError):
            yield preprocess(load_image(path))


def difference(
    classifier: ModelClassifier,
    original: Original,
    normalization: Normalization,
    pictures: Iterable[Pixels],
) -> tuple[float, float]:
    """The largest difference of two scores, and the largest score there is (at least 1).

    Not-a-number where either gives that.
    """
    off, scale = 0.0, 1.0
    for pixels in pictures:
        expected = original.run(normalized(pixels, normalization, classifier.model))
        scores = classifier.raw_scores(pixels)
        # numpy's maximum keeps not-a-number, Python's loses it.
        off = float(np.maximum(off, np.abs(scores - expected).max()))
        scale = float(np.maximum(scale, np.abs(expected).max()))
    return off, scale
