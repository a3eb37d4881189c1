"""The photos kept from training, folder by folder: some to choose by, some to judge by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.types import Classifier
from pi_classifier_training.data.dataset import Photo, scan
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.labeling import match_labels


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The validation and test photos of one folder."""

    folder: Path
    validation: tuple[Photo, ...]
    test: tuple[Photo, ...]


def held_out(
    image_dirs: Sequence[Path], classifier: Classifier, names: Mapping[str, str] | None = None
) -> list[HeldOut]:
    """Find the held-out photos, under the classifier's labels.

    Raises DatasetError for a label it does not know, or where a split is empty.
    """
    found = []
    for folder in image_dirs:
        photos = match_labels(scan([folder]), classifier.labels, classifier.name, names)
        validation = tuple(p for p in photos if p.split == "validation")
        found.append(HeldOut(folder, validation, tuple(p for p in photos if p.split == "test")))
    for split in ("validation", "test"):
        if not any(getattr(part, split) for part in found):
            raise DatasetError(
                f"none of the photos belongs to the {split} split (one in ten does); calibrating "
                "needs some of both: give more photos, 300 or more are usual"
            )
    return found
