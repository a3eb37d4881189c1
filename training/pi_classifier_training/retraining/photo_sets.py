"""The photos of a run, decoded for training a whole network; what both ways check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.preprocessing.preprocessor import Preprocessor, Resize
from pi_classifier_training.data.dataset import Images, Photo, decode, squeeze
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.progress import with_progress

# Photos are kept this much larger than the input, so that crops keep their detail.
SQUARE_MARGIN = 1.25


@dataclass(frozen=True, slots=True, eq=False)
class PhotoSets:
    """Training photos as larger squares to cut views from; validation as on the device."""

    squares: Images
    validation: Images

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What was left out of either, one message each."""
        return (*self.squares.unreadable, *self.validation.unreadable)


def decode_sets(
    photos: Sequence[Photo], labels: Sequence[str], side: int, resize: Resize
) -> PhotoSets:
    """Decode training and validation photos for a network with an input of `side` pixels."""
    squares = decode_squares(photos, labels, side)
    validation = decode(
        [p for p in photos if p.split == "validation"],
        labels,
        Preprocessor((side, side), resize),
        side,
    )
    return PhotoSets(squares, validation)


def decode_squares(photos: Sequence[Photo], labels: Sequence[str], side: int) -> Images:
    """Decode training photos as squares to cut views of `side` pixels from."""
    margin = round(side * SQUARE_MARGIN)
    return decode(
        [p for p in photos if p.split == "training"],
        labels,
        squeeze(margin),
        margin,
        lambda chosen: with_progress("reading photos", chosen),
    )


def require_all_labels(indices: NDArray[np.int64], labels: Sequence[str], split: str) -> None:
    """Check that every label has a readable photo; raises DatasetError naming those without."""
    missing = [label for i, label in enumerate(labels) if i not in set(indices.tolist())]
    if missing:
        raise DatasetError(
            f"no photo of {', '.join(missing)} for {split} could be read; replace the photos, "
            "or remove the label's folder"
        )


def label_counts(photos: Sequence[Photo], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many photos each label has in each split."""
    counts = Counter((p.label, p.split) for p in photos)
    return {
        label: {s: counts[label, s] for s in ("training", "validation", "test")}
        for label in labels
    }
