"""The end of a training run: every kind of model file, each evaluated as exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import ModelClassifier
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.system.files import write_json
from pi_classifier_training.conversion.conversion import Kind
from pi_classifier_training.data.dataset import Images, decode, evenly_over_labels, scan
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.evaluate import evaluate_classifier, portable
from pi_classifier_training.evaluation.report_text import share
from pi_classifier_training.export.export import export
from pi_classifier_training.modelfile.model_card import ModelCard
from pi_classifier_training.networks.network import Network
from pi_classifier_training.retraining.run_folder import RUN_FILE, RunFolder

# What every training run ends with; the others are made by 'quantize' and 'export'.
DEFAULT_KINDS: tuple[Kind, ...] = ("float32", "int8")
# Full-integer ranges and biases settle with a few dozen photos in all.
CALIBRATION_PER_LABEL = 30


@dataclass(frozen=True, slots=True, eq=False)
class FinishedRun:
    """A finished run with the photos it is exported with."""

    path: Path
    summary: dict[str, Any]
    network: Network
    image_dirs: tuple[Path, ...]

    @property
    def preprocessor(self) -> Preprocessor:
        """Makes photos what the device will see."""
        side = self.network.spec.resolution
        return Preprocessor((side, side), self.summary["options"]["resize"])

    @property
    def card(self) -> ModelCard:
        """Name, version and origin as the run has them."""
        return ModelCard(**self.summary["card"])


def open_run(run_dir: Path, image_dirs: Sequence[Path]) -> FinishedRun:
    """Open a finished run. Raises TrainingError where there is none."""
    run = RunFolder(run_dir)
    return FinishedRun(run_dir, run.summary(), run.load(), tuple(image_dirs))


def export_run(
    run_dir: Path,
    image_dirs: Sequence[Path],
    kinds: Sequence[Kind] = DEFAULT_KINDS,
    card: ModelCard | None = None,
    output: Path | None = None,
) -> Iterator[str]:
    """Write ``<kind>.tflite`` into `run_dir` for each kind; yield a line on each.

    All are evaluated on the held-out photos by running the finished file through the
    daemon's classifier; the figures go into the file and into ``run.json``. The same
    run and photos give the same bytes. `card` replaces the run's own; `output` names
    the file where there is one kind.
    """
    source = open_run(run_dir, image_dirs)
    calibration = calibration_photos(source)
    for kind in kinds:
        path = output or run_dir / f"{kind}.tflite"
        contents = export_kind(source, kind, calibration, path, card)
        size_kb = path.stat().st_size / 1000
        right = share(contents["evaluation"], "top1")
        yield f"{path}: {size_kb:.0f} kB, {right} of held-out photos right"


def export_kind(
    source: FinishedRun,
    kind: Kind,
    calibration: Images,
    path: Path,
    card: ModelCard | None = None,
    bare: bytes | None = None,
    entries: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Export one kind to `path`; figures of a file in the run's folder go into ``run.json``.

    `bare` and `entries` are the flatbuffer and further entries of ``pi_classifier.json``
    where more was done than converting. Returns ``pi_classifier.json``.
    """
    summary, side = source.summary, source.network.spec.resolution
    resize = summary["options"]["resize"]
    manifest = {
        "input": {"size": [side, side], "resize": resize, "channels": "RGB"},
        "training": {k: summary[k] for k in ("data", "options", "versions")},
    }
    contents = export(
        source.network,
        kind,
        card or source.card,
        calibration,
        manifest | (entries or {}),
        lambda classifier: evaluate_folders(classifier, source.image_dirs),
        path,
        bare,
    )
    if path.resolve() == (source.path / f"{kind}.tflite").resolve():
        # Another command may have written to it in the meantime.
        now = RunFolder(source.path).summary()
        now["evaluation"] = now.get("evaluation", {}) | {kind: contents["evaluation"]}
        now["card"] = asdict(card or source.card)
        write_json(source.path / RUN_FILE, now)
    return contents


def calibration_photos(source: FinishedRun) -> Images:
    """Training photos as the device sees them, drawn evenly over the labels."""
    return drawn_photos(source, "training", CALIBRATION_PER_LABEL)


def drawn_photos(source: FinishedRun, split: str, per_label: int) -> Images:
    """Up to `per_label` photos of every label, as the device sees them, always the same.

    Raises DatasetError where there is none.
    """
    labels = source.network.labels
    photos = [p for p in scan(source.image_dirs) if p.split == split and p.label in labels]
    chosen = evenly_over_labels([p.label for p in photos], per_label, seed=1) if photos else []
    preprocessor = source.preprocessor
    images = decode([photos[i] for i in chosen], labels, preprocessor, preprocessor.size[0])
    if not len(images):
        folders = ", ".join(map(str, source.image_dirs))
        raise DatasetError(
            f"{folders}: no {split} photo of the run's labels ({', '.join(labels)}) can be read; "
            "give the folder the run was trained on"
        )
    return images


def evaluate_folders(classifier: ModelClassifier, image_dirs: Sequence[Path]) -> dict[str, Any]:
    """Figures on the held-out photos of the first folder; those of others beside them."""
    first, *others = (
        {"data": d.resolve().name, **portable(evaluate_classifier(classifier, [d]))}
        for d in image_dirs
    )
    if others:
        first["others"] = [
            {k: o[k] for k in ("data", "n", "top1", "top1_interval")} for o in others
        ]
    return first
