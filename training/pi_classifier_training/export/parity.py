"""Whether a model file does on photos what the network it was made from does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pi_classifier_training.conversion.conversion import Convertible, Kind
from pi_classifier_training.data.stored_pixels import PixelRows
from pi_classifier_training.errors import ExportError, ParityError
from pi_classifier_training.modelfile.golden import Scorer

if TYPE_CHECKING:
    import keras

PHOTOS = 32
BATCH = 8
# Networks want pixels as −1 … 1, 0 … 1 or standardized to about ±2.6.
LARGEST_NORMALIZED = 4.0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far scores (0–1) may be off: the worst of all, and on average."""

    worst: float
    mean: float


# Float files compute the same up to the order of additions, which deep or hardly trained
# networks amplify: hours of training must not be refused for it. Quantized ones differ by
# design: 0.006 on average where all is well, 0.3 where ranges or channels are wrong.
TOLERANCES: dict[Kind, Tolerance] = {
    "float32": Tolerance(5e-4, 5e-5),
    "float16": Tolerance(0.05, 0.005),
    "dynamic": Tolerance(1.0, 0.1),
    "int8": Tolerance(1.0, 0.1),
    "qat": Tolerance(1.0, 0.1),
}


def require_parity(scorer: Scorer, network: Convertible, photos: PixelRows, kind: Kind) -> None:
    """Compare a model file with its network on photos uint8 ``[n, side, side, 3]``.

    Raises ParityError where their scores differ by more than `TOLERANCES` allows, times
    the largest where scores are logits.
    """
    pixels, scoring = photos[:PHOTOS], network.scoring()
    # Keras keeps what all layers make of a batch until its scores are there.
    batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    expected = np.concatenate([np.asarray(scoring(b.astype(np.float32))) for b in batches])
    scores = np.stack([scorer.raw_scores(image).copy() for image in pixels])
    off = np.abs(scores - expected) / max(1.0, float(np.abs(expected).max()))
    allowed, worst, mean = TOLERANCES[kind], float(off.max()), float(off.mean())
    # Not-a-number must fail too, so the comparison is for being within.
    if worst <= allowed.worst and mean <= allowed.mean:
        return
    raise ParityError(
        f"not exported: the {kind} model's scores differ from the network's by {mean:.5f} on "
        f"average and {worst:.5f} at worst on {len(pixels)} photos; allowed are {allowed.mean:g} "
        f"and {allowed.worst:g}. "
        + (
            "The ranges do not fit: give more photos, or try another --mode"
            if kind in ("dynamic", "int8", "qat")
            else "The conversion changed the network: does its first layer take raw 0–255 pixels?"
        )
    )


def require_raw_pixels_wanted(model: keras.Model) -> None:
    """Check that a network normalizes raw 0–255 pixels itself, before its first weights.

    Raises ExportError where its first convolution would see black or white pixels as
    numbers that no network is trained on.
    """
    import keras

    first = next((x for x in model.layers if isinstance(x, keras.layers.Conv2D)), None)
    if first is None:
        return
    height, width = model.input_shape[1:3]
    pixels = np.stack([np.full((height, width, 3), v, np.float32) for v in (0, 255)])
    seen = np.asarray(keras.Model(model.input, first.input)(pixels, training=False))
    if not np.abs(seen).max() <= LARGEST_NORMALIZED:
        raise ExportError(
            f"not exported: {model.name}'s first convolution sees black and white as "
            f"{seen.min():g} and {seen.max():g}; its first layer must be a Rescaling of raw "
            "0–255 pixels to about −1 … 1"
        )
