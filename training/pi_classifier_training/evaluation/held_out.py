"""Which photos a model was trained on, and which were held out from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pi_classifier.inference.classifier import ModelClassifier
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier_training.data.dataset import Photo, scan_folders
from pi_classifier_training.data.photo_sketch import any_sketched, recorded_sketch
from pi_classifier_training.data.splits import Split, SplitOptions, SplitRule
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.labeling import match_labels

SplitChoice = Literal["auto", "all", "test", "validation"]
_PURPOSES: Mapping[Split, str] = {
    "training": "training",
    "validation": "choosing",
    "test": "testing",
}


def training_of(model: ModelFile) -> Mapping[str, Any]:
    """What a model file says of its training; empty where it says nothing."""
    training = model.manifest.details.get("training")
    return training if isinstance(training, Mapping) else {}


def recorded_rule(model: ModelFile) -> SplitRule | None:
    """How the photos of a model were shared out; None where it does not say."""
    return SplitRule.recorded(training_of(model))


def photos_beside(
    models: Sequence[ModelFile], image_dirs: Sequence[Path], options: SplitOptions
) -> list[list[Photo]]:
    """The photos of each folder with the split that holds for all models.

    Where models were split in different ways, a photo tests or validates only if it does so
    for each of them; all others count as trained on. Raises ConfigError where `options`
    contradict what a model has recorded.
    """
    rules = dict.fromkeys(options.applied_to(recorded_rule(m), m.path.name) for m in models)
    first, *others = rules or [options.applied_to(None)]
    folders = scan_folders(image_dirs, first)
    for rule in others:
        folders = [
            [
                one
                if one.split == other.split
                else Photo.of(one.folder, one.name, one.label, "training")
                for one, other in zip(*both, strict=True)
            ]
            for both in zip(folders, scan_folders(image_dirs, rule), strict=True)
        ]
    return folders


@dataclass(frozen=True, slots=True)
class ChosenPhotos:
    """The photos a model is measured on: `split` of `of` photos, and why these."""

    photos: list[Photo]
    split: Split | Literal["all"]
    reason: Literal["asked", "new", "trained", "unknown"]
    of: int

    def record(self) -> dict[str, Any]:
        """What an evaluation says of its photos."""
        about = {"of": self.of, "reason": self.reason, "words": self._words()}
        return {"split": self.split, "photos": about}

    def _words(self) -> str:
        count = len(self.photos)
        if self.split == "all":
            known = "" if self.reason == "asked" else ": the model was trained on none of them"
            return f"all {count} photos{known}"
        words = f"the {count} of {self.of} photos kept for {_PURPOSES[self.split]}"
        return words + {
            "trained": ": the model was trained on others of this folder",
            "unknown": ", in case it was trained on the others; --split all takes all",
        }.get(self.reason, "")


def chosen_photos(
    models: Sequence[ModelFile],
    image_dirs: Sequence[Path],
    split: SplitChoice = "auto",
    options: SplitOptions | None = None,
) -> ChosenPhotos:
    """The photos of folders to measure models on.

    With `split` ``auto`` these are all, where no model was trained on any of them, as
    sketches of what they were trained on show; else the test photos of all models. Raises
    DatasetError where there are none.
    """
    folders = photos_beside(models, image_dirs, options or SplitOptions())
    photos = list(chain.from_iterable(folders))
    if split != "auto":
        return ChosenPhotos(chosen_split(photos, split), split, "asked", len(photos))
    sketches = [recorded_sketch(training_of(model)) for model in models]
    if not all(sketches):
        return ChosenPhotos(chosen_split(photos, "test"), "test", "unknown", len(photos))
    if any_sketched(photos, frozenset().union(*sketches)):
        return ChosenPhotos(chosen_split(photos, "test"), "test", "trained", len(photos))
    return ChosenPhotos(photos, "all", "new", len(photos))


def chosen_split(photos: Sequence[Photo], split: Split | Literal["all"]) -> list[Photo]:
    """Those photos that belong to `split`. Raises DatasetError for none."""
    if split == "all":
        return list(photos)
    chosen = [p for p in photos if p.split == split]
    if not chosen:
        raise DatasetError(
            f"none of the {len(photos)} photos belongs to the {split} split (about one in ten "
            "does); use --split all for photos the model was not trained on"
        )
    return chosen


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The validation and test photos of one folder."""

    folder: Path
    validation: tuple[Photo, ...]
    test: tuple[Photo, ...]


def held_out(
    image_dirs: Sequence[Path],
    classifiers: Sequence[ModelClassifier],
    options: SplitOptions | None = None,
) -> list[HeldOut]:
    """Find the photos held out from all models, under the labels of the first.

    Raises DatasetError for a label it does not know, or where a split is empty.
    """
    parts = []
    models = [classifier.model for classifier in classifiers]
    folders = photos_beside(models, image_dirs, options or SplitOptions())
    for folder, own in zip(image_dirs, folders, strict=True):
        photos = match_labels(own, models[0].labels, models[0].name)
        validation = tuple(p for p in photos if p.split == "validation")
        parts.append(HeldOut(folder, validation, tuple(p for p in photos if p.split == "test")))
    for split in ("validation", "test"):
        if not any(getattr(part, split) for part in parts):
            raise DatasetError(
                f"none of the photos belongs to the {split} split (one in ten does); calibrating "
                "needs some of both: give more photos, 300 or more are usual"
            )
    return parts
