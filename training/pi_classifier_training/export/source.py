"""What model files are made of: a network with its photos, of a run or from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier_training.conversion.conversion import Convertible, Kind
from pi_classifier_training.conversion.graph_network import GraphNetwork
from pi_classifier_training.data.dataset import Images, Photo, decode, evenly_over_labels, scan
from pi_classifier_training.data.splits import SplitOptions, SplitRule
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.held_out import recorded_rule
from pi_classifier_training.evaluation.labeling import match_labels
from pi_classifier_training.export.export import Evaluation, ScoreCalibration
from pi_classifier_training.modelfile.model_card import ModelCard

# Full-integer ranges and biases settle with a few dozen photos in all: of many labels a few
# each are enough.
CALIBRATION_PER_LABEL, CALIBRATION_PHOTOS = 30, 512
# Of the float file's entries, what is true of any file made of it.
_KEPT = ("training", "network", "imported")


class Source(Protocol):
    """A network with the photos that files made of it are calibrated and measured on."""

    @property
    def path(self) -> Path: ...

    @property
    def network(self) -> Convertible: ...

    @property
    def image_dirs(self) -> Sequence[Path]: ...

    @property
    def rule(self) -> SplitRule:
        """How its photos are shared out among the splits."""
        ...

    @property
    def preprocessor(self) -> Preprocessor:
        """Makes photos what the device will see."""
        ...

    @property
    def card(self) -> ModelCard:
        """Name, version and origin."""
        ...

    @property
    def evaluation(self) -> Evaluation | None:
        """What measures a finished file; None where photos may have been trained on."""
        ...

    @property
    def score_calibration(self) -> ScoreCalibration | None:
        """What makes a finished file's scores mean what they say; None likewise."""
        ...

    def entries(self) -> dict[str, Any]:
        """Entries of ``pi_classifier.json`` that are true of any file made of it."""
        ...

    def photos(self) -> list[Photo]:
        """Its photos under the network's labels. Raises DatasetError."""
        ...

    def file_of(self, kind: Kind) -> Path:
        """Where a file of this kind is written when nothing else is said."""
        ...

    def record(self, kind: Kind, path: Path, card: ModelCard, contents: dict[str, Any]) -> None:
        """Note that a file was written with these contents."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FloatModelFile:
    """A float model file, imported or as another program wrote it, with photos."""

    model: ModelFile
    network: GraphNetwork
    image_dirs: tuple[Path, ...]
    rule: SplitRule
    evaluation: None = None
    score_calibration: None = None

    @classmethod
    def opened(
        cls, path: Path, image_dirs: Sequence[Path], splits: SplitOptions | None = None
    ) -> FloatModelFile:
        """Open the model file at `path`. Raises ModelError, ExportError, ConfigError."""
        model = read_model_file(path)
        rule = (splits or SplitOptions()).applied_to(recorded_rule(model), path.name)
        return cls(model, GraphNetwork.of(model, path.read_bytes()), tuple(image_dirs), rule)

    @property
    def path(self) -> Path:
        return self.model.path

    @property
    def preprocessor(self) -> Preprocessor:
        return Preprocessor(self.model.input_size, self.model.manifest.resize)

    @property
    def card(self) -> ModelCard:
        stated = self.model.metadata
        texts = ("version", "description", "author", "license")
        known = {t: getattr(stated, t) for t in texts if getattr(stated, t, "")}
        return ModelCard(name=self.model.name, **known)

    def entries(self) -> dict[str, Any]:
        details, resize = self.model.manifest.details, self.model.manifest.resize
        return {
            **{key: details[key] for key in _KEPT if key in details},
            "silent_labels": list(self.model.manifest.silent_labels),
            "input": {"size": list(self.model.input_size), "resize": resize, "channels": "RGB"},
        }

    def photos(self) -> list[Photo]:
        return match_labels(scan(self.image_dirs, self.rule), self.model.labels, self.model.name)

    def file_of(self, kind: Kind) -> Path:
        return self.path.with_name(f"{self.path.stem}-{kind}.tflite")

    def record(self, kind: Kind, path: Path, card: ModelCard, contents: dict[str, Any]) -> None:
        """Its file stays as it is."""


def calibration_photos(source: Source) -> Images:
    """Training photos as the device sees them, drawn evenly over the labels."""
    labels = len(source.network.labels)
    return drawn_photos(
        source, "training", min(CALIBRATION_PER_LABEL, max(1, CALIBRATION_PHOTOS // labels))
    )


def drawn_photos(source: Source, split: str, per_label: int) -> Images:
    """Up to `per_label` photos of every label, as the device sees them, always the same.

    Raises DatasetError where there is none.
    """
    labels = source.network.labels
    photos = [p for p in source.photos() if p.split == split]
    chosen = evenly_over_labels([p.label for p in photos], per_label, seed=1) if photos else []
    preprocessor = source.preprocessor
    images = decode([photos[i] for i in chosen], labels, preprocessor, preprocessor.size[0])
    if not len(images):
        folders = ", ".join(map(str, source.image_dirs))
        raise DatasetError(
            f"{folders}: no {split} photo of the model's labels ({', '.join(labels)}) can be "
            "read; give the folder it was trained on"
        )
    return images
