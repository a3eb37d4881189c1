"""From a finished run, or a float model file, to model files of every kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import ModelClassifier, open_model
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.system.files import write_json
from pi_classifier_training.conversion.conversion import Kind
from pi_classifier_training.data.dataset import Images, Photo, scan, scan_folders
from pi_classifier_training.data.negatives import recorded_dirs, recorded_negatives
from pi_classifier_training.data.splits import SplitOptions, SplitRule
from pi_classifier_training.errors import ExportError
from pi_classifier_training.evaluation.evaluate import evaluation_of, portable
from pi_classifier_training.evaluation.false_announcements import kept_aside_announced
from pi_classifier_training.evaluation.held_out import chosen_split
from pi_classifier_training.evaluation.labeling import match_labels
from pi_classifier_training.evaluation.report_text import share
from pi_classifier_training.evaluation.scoring import classify_photos
from pi_classifier_training.evaluation.temperature import calibrated_entries
from pi_classifier_training.export.export import TRIAL, Evaluation, ScoreCalibration, export
from pi_classifier_training.export.source import FloatModelFile, Source, calibration_photos
from pi_classifier_training.modelfile.model_card import ModelCard
from pi_classifier_training.networks.network import Network
from pi_classifier_training.retraining.run_folder import RUN_FILE, RunFolder

# What every training run ends with; the others are made by 'quantize' and 'export'.
DEFAULT_KINDS: tuple[Kind, ...] = ("float32", "int8")


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run with the photos it is exported with, which are listed once."""

    path: Path
    summary: dict[str, Any]
    network: Network
    image_dirs: tuple[Path, ...]
    rule: SplitRule

    @property
    def preprocessor(self) -> Preprocessor:
        """Makes photos what the device will see."""
        side = self.network.side
        return Preprocessor((side, side), self.summary["options"]["resize"])

    @property
    def card(self) -> ModelCard:
        """Name, version and origin as the run has them."""
        return ModelCard(**self.summary["card"])

    @property
    def evaluation(self) -> Evaluation:
        """Figures on the held-out photos, which the run has not trained on."""
        return self._evaluated

    def _evaluated(self, classifier: ModelClassifier) -> dict[str, Any]:
        figures = evaluate_folders(classifier, self.image_dirs, self.rule)
        if dirs := recorded_dirs(self.summary):
            figures["unknown"] = kept_aside_announced(classifier, dirs)
        return figures

    @property
    def score_calibration(self) -> ScoreCalibration:
        """Temperature, threshold and unknown rejection from the validation photos."""
        validation = [photo for photo in self.photos() if photo.split == "validation"]
        return lambda classifier: calibrated_entries(classifier, validation, self.negatives)

    def entries(self) -> dict[str, Any]:
        """What ``pi_classifier.json`` says of the run."""
        side, resize = self.network.side, self.summary["options"]["resize"]
        return {
            "network": self.network.spec.as_dict(),
            "input": {"size": [side, side], "resize": resize, "channels": "RGB"},
            "training": {k: self.summary[k] for k in ("data", "options", "versions")},
        }

    def photos(self) -> list[Photo]:
        """The photos of the run's labels, those of nothing among them."""
        return list(self._photos)

    @cached_property
    def _photos(self) -> tuple[Photo, ...]:
        labels = self.network.labels
        photos = match_labels(scan(self.image_dirs, self.rule), labels, self.path.name)
        return (*photos, *(photo for photo in self.negatives if photo.label in labels))

    @cached_property
    def negatives(self) -> tuple[Photo, ...]:
        """The photos of nothing that it was trained with, where they still lie there."""
        return recorded_negatives(self.summary)

    def file_of(self, kind: Kind) -> Path:
        """The file of this kind in the run's folder."""
        return self.path / f"{kind}.tflite"

    def record(self, kind: Kind, path: Path, card: ModelCard, contents: dict[str, Any]) -> None:
        """Put the figures of a file in the run's folder into ``run.json``."""
        if path.resolve() == self.file_of(kind).resolve():
            # Another command may have written to it in the meantime.
            now = RunFolder(self.path).summary()
            now["evaluation"] = now.get("evaluation", {}) | {kind: contents["evaluation"]}
            now["card"] = asdict(card)
            write_json(self.path / RUN_FILE, now)


def open_run(
    run_dir: Path, image_dirs: Sequence[Path], splits: SplitOptions | None = None
) -> FinishedRun:
    """Open a finished run. Raises TrainingError where there is none.

    Its photos are split as they were in training; ConfigError where `splits` say otherwise.
    """
    run = RunFolder(run_dir)
    rule = run.split_rule(splits or SplitOptions())
    return FinishedRun(run_dir, run.summary(), run.load(), tuple(image_dirs), rule)


def open_source(
    path: Path, image_dirs: Sequence[Path], splits: SplitOptions | None = None
) -> Source:
    """Open a finished run's folder or a float model file.

    Raises TrainingError or ModelError where it is neither.
    """
    if path.is_file():
        return FloatModelFile.opened(path, image_dirs, splits)
    return open_run(path, image_dirs, splits)


def export_source(
    source: Source,
    kinds: Sequence[Kind] = DEFAULT_KINDS,
    card: ModelCard | None = None,
    output: Path | None = None,
) -> Iterator[str]:
    """Write a file of each kind where `source` keeps them; yield a line on each.

    The same source and photos give the same bytes. `card` replaces the source's own;
    `output` names the file where there is one kind.
    """
    calibration = calibration_photos(source)
    for kind in kinds:
        path = output or source.file_of(kind)
        contents = export_kind(source, kind, calibration, path, card)
        yield f"{path}: {path.stat().st_size / 1000:.0f} kB{_right(source, path, contents)}"
        if "thresholds" in contents:
            yield _calibrated_line(contents)


def _calibrated_line(contents: dict[str, Any]) -> str:
    n, temperature = (contents["calibration"][key] for key in ("n", "temperature"))
    return (
        f"  scores calibrated on {n} validation photos (temperature {temperature:g}); a start "
        f"for decision.threshold_high: {contents['thresholds']['high']:g}"
    )


def _right(source: Source, path: Path, contents: dict[str, Any]) -> str:
    if "evaluation" in contents:
        right = f", {share(contents['evaluation'], 'top1')} of held-out photos right"
        unknown = contents["evaluation"].get("unknown")
        return right + (f"; {share(unknown, 'share')} of negatives announced" if unknown else "")
    if not any(photo.split == "test" for photo in source.photos()):
        return ""
    with contextlib.closing(open_model(path, TRIAL)) as classifier:
        right = share(evaluate_folders(classifier, source.image_dirs, source.rule), "top1")
    return f", {right} of held-out photos right, if it was not trained on them"


def export_kind(
    source: Source,
    kind: Kind,
    calibration: Images,
    path: Path,
    card: ModelCard | None = None,
    bare: bytes | None = None,
    entries: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Export one kind to `path`; return ``pi_classifier.json``.

    The finished file is measured on the held-out photos by the daemon's classifier, and
    the figures go into it, where those photos were not trained on. `bare` and `entries` are the
    flatbuffer and further entries of ``pi_classifier.json`` where more was done than
    converting.
    """
    if path.exists() and source.path.is_file() and path.samefile(source.path):
        raise ExportError(
            f"{path}: is the float file itself; give the new file another name, so that it stays"
        )
    card = card or source.card
    contents = export(
        source.network,
        kind,
        card,
        calibration,
        source.entries() | (entries or {}),
        source.evaluation,
        path,
        bare,
        source.score_calibration,
    )
    source.record(kind, path, card, contents)
    return contents


def evaluate_folders(
    classifier: ModelClassifier, image_dirs: Sequence[Path], rule: SplitRule
) -> dict[str, Any]:
    """Figures on the held-out photos of the first folder; those of others beside them.

    A folder that holds none is passed over. Raises DatasetError where no photo is held out.
    """
    folders = scan_folders(image_dirs, rule)
    chosen_split([photo for own in folders for photo in own], "test")
    first, *others = (
        {"data": folder.resolve().name, **portable(_evaluated(classifier, own))}
        for folder, own in zip(image_dirs, folders, strict=True)
        if any(photo.split == "test" for photo in own)
    )
    if others:
        first["others"] = [
            {k: o[k] for k in ("data", "n", "top1", "top1_interval")} for o in others
        ]
    return first


def _evaluated(classifier: ModelClassifier, photos: Sequence[Photo]) -> dict[str, Any]:
    tested = match_labels(chosen_split(photos, "test"), classifier.labels, classifier.name)
    (outcomes,) = classify_photos([classifier], tested)
    return evaluation_of(classifier, outcomes, "test")
