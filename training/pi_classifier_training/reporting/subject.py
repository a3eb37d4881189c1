"""What a report is on: a run or a model file, its photos, and its files as measured."""

from __future__ import annotations

import glob
import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pi_classifier.modelfile.locate import CASCADE
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.setting import setting
from pi_classifier_training.data.dataset import Photo, scan
from pi_classifier_training.data.splits import SplitOptions, SplitRule
from pi_classifier_training.evaluation.held_out import recorded_rule
from pi_classifier_training.evaluation.labeling import match_labels
from pi_classifier_training.reporting.copying import CopyLines, copy_lines
from pi_classifier_training.reporting.model_files import MeasuredFile, choose, measure_files
from pi_classifier_training.retraining.run_folder import RunFolder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A folder that is copied whole: a model or a cascade, made of the run that is reported on.

    `threshold` is the score from which the configuration beside it lets labels be announced.
    `command` are the words that made it, but for the photos' folders and its own.
    """

    folder: Path
    name: str
    threshold: float
    command: tuple[str, ...] = ()

    def files(self) -> list[Path]:
        """Its cascade, if it is one, then its models."""
        return [*sorted(self.folder.glob(CASCADE)), *sorted(self.folder.glob("*.tflite"))]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What to put in: the learning curve or not, and where its weights and features lie.

    With `delivered` the report is on that instead of the files of the run.
    """

    learning_curve: bool = setting(True, "leave out whether more photos would help: quicker")
    unknown: tuple[Path, ...] = setting(
        (),
        "folder of photos that show none of the labels: what will it say to them? (default: the "
        "run's own --negatives)",
        metavar="DIR",
    )
    weights: str | None = setting(
        None,
        "published weights for the learning curve, where the run does not tell them",
        metavar="imagenet|FILE",
    )
    cache_dir: str | None = setting(
        None, "folder of the bottleneck cache; 'none' keeps none", metavar="DIR"
    )
    splits: SplitOptions = SplitOptions()
    delivered: Delivered | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """Everything the sections of a report are written from.

    `source` is a run's folder or a model file, `summary` what is known of how it was made,
    `files` are its model files, preferred kinds first, measured on the held-out ones of `photos`.
    """

    source: Path
    summary: Mapping[str, Any]
    image_dirs: tuple[Path, ...]
    photos: Sequence[Photo]
    files: Sequence[MeasuredFile]
    options: ReportOptions

    @cached_property
    def chosen(self) -> MeasuredFile:
        """The file to copy, whose answers the report is on."""
        return choose(self.files) if self.options.delivered is None else self.files[0]

    @property
    def threshold(self) -> float:
        """The score from which a label is announced, if the lines to copy are followed."""
        delivered = self.options.delivered
        return self.chosen.threshold if delivered is None else delivered.threshold

    @property
    def copying(self) -> CopyLines:
        """The lines that bring it to the Pi."""
        delivered = self.options.delivered
        model = self.chosen.path if delivered is None else delivered.folder
        return copy_lines(model, self.name, self.threshold)

    @property
    def copied(self) -> str:
        """The name of the file or folder that is copied."""
        delivered = self.options.delivered
        return (
            self.chosen.path.name if delivered is None else f"the folder {delivered.folder.name}"
        )

    def search_again(self, suffix: str, *changes: str) -> str:
        """The command that makes another delivery with `changes`; nothing where there is none."""
        delivered = self.options.delivered
        if delivered is None or not delivered.command:
            return ""
        folders = [part for folder in self.image_dirs for part in ("--image-dir", str(folder))]
        output = ["--output-dir", f"{delivered.folder.parent}-{suffix}"]
        words = ["pi-classifier-train", *delivered.command[:1], *folders, *output]
        return shlex.join([*words, *delivered.command[1:], *changes])

    @property
    def name(self) -> str:
        """What the model is called, else its run or file."""
        if self.options.delivered is not None:
            return self.options.delivered.name
        card = self.summary.get("card", {})
        return str(card.get("name") or self.source.resolve().name)

    @property
    def description(self) -> str:
        """One line of its author's, often empty."""
        return str(self.summary.get("card", {}).get("description", ""))

    @property
    def rule(self) -> SplitRule:
        """How its photos are shared out among the splits."""
        recorded = SplitRule.recorded(self.summary)
        return self.options.splits.applied_to(recorded, self.source.name)

    @property
    def is_run(self) -> bool:
        """Whether the training it is from is at hand."""
        return not self.source.is_file()


def read_subject(source: Path, image_dirs: Sequence[Path], options: ReportOptions) -> Subject:
    """Read a run's folder or a model file and those made of it, and measure the files.

    Raises TrainingError, ModelError and DatasetError where there is no usable model file or
    no held-out photo.
    """
    if source.is_file():
        model = read_model_file(source)
        summary = model_summary(model)
        rule = options.splits.applied_to(recorded_rule(model), source.name)
        photos = match_labels(scan(image_dirs, rule), model.labels, model.name)
        paths = [source, *sorted(source.parent.glob(f"{glob.escape(source.stem)}-*.tflite"))]
    else:
        run = RunFolder(source)
        summary = run.summary()
        photos = scan(image_dirs, run.split_rule(options.splits))
        photos = match_labels(photos, run.labels(), source.name)
        paths = sorted(source.glob("*.tflite"))
    if options.delivered is not None:
        paths = options.delivered.files()
    files, messages = measure_files(source, paths, photos)
    for message in messages:
        log.warning("left out: %s", message)
    return Subject(source, summary, tuple(image_dirs), photos, files, options)


def model_summary(model: ModelFile) -> dict[str, Any]:
    """What a model file says of how it was made, as a run's summary would."""
    details = model.manifest.details
    card = {"name": model.name}
    if model.metadata is not None:
        card["description"] = model.metadata.description
    kept = {key: details[key] for key in ("network", "imported") if key in details}
    return {**details.get("training", {}), **kept, "card": card}
