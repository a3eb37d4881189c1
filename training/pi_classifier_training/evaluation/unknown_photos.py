"""Which photos show none of a model's labels, and which of them it has not learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.inference.classifier import model_files
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.types import Classifier
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.negatives import (
    BACKGROUND,
    negative_photos,
    negative_sources,
    without_labels,
)
from pi_classifier_training.data.splits import Split


@dataclass(frozen=True, slots=True, eq=False)
class Unknowns:
    """Photos that show none of the labels: `sources` is the place each is from, int64 ``[n]``.

    `held_out` where they are only those of sources that the model was not trained on.
    """

    photos: tuple[Photo, ...]
    sources: NDArray[np.int64]
    folders: tuple[str, ...]
    held_out: bool

    def chosen(self, photos: Sequence[Photo]) -> NDArray[np.int64]:
        """The sources of some of them, in the order of `photos`."""
        source_of = {p.path_text: s for p, s in zip(self.photos, self.sources, strict=True)}
        return np.array([source_of[photo.path_text] for photo in photos], np.int64)


def unknown_photos(
    classifiers: Sequence[Classifier], dirs: Sequence[Path], split: Split | None = "test"
) -> Unknowns:
    """The photos in `dirs`; of a folder that a classifier has learned from those of `split`.

    A model file names the folders of its negatives, and of those that its unknown rejection
    was fitted to. With `split` None all photos are taken. Raises DatasetError for a missing
    folder and for one without photos.
    """
    known = _learned_from(classifiers) if split is not None else set()
    learned_from = [directory for directory in dirs if directory.resolve().name in known]
    learned = negative_photos(learned_from) if learned_from else []
    held_out = {photo.path_text: photo.split for photo in learned}
    photos: list[Photo] = []
    sources: list[int] = []
    labels = [label for classifier in classifiers for label in classifier.labels]
    for number, source in enumerate(without_labels(negative_sources(dirs), labels)):
        usable = [
            photo
            for photo in source.labeled(BACKGROUND, "test")
            if held_out.get(photo.path_text, split) == split
        ]
        photos += usable
        sources += [number] * len(usable)
    names = tuple(directory.resolve().name for directory in dirs)
    return Unknowns(tuple(photos), np.array(sources, np.int64), names, bool(held_out))


def _learned_from(classifiers: Sequence[Classifier]) -> set[str]:
    """The names of the folders whose photos of nothing the models have learned from."""
    files = [model for classifier in classifiers for model in model_files(classifier)]
    names: set[str] = set()
    for model in files:
        for keys in (("training", "data", "negatives"), ("unknown", "fitted", "negatives")):
            names.update(str(_stated(model.manifest.details, keys).get("name", "")).split(" + "))
    return names


def _stated(details: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    """What a model file says there; nothing where it says nothing, or something else."""
    for key in keys:
        details = details.get(key) if isinstance(details, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def trained_with_negatives(model: ModelFile) -> bool:
    """Whether a model file says that the network itself has learned from photos of nothing."""
    return bool(_stated(model.manifest.details, ("training", "data", "negatives")))
