"""``quantize``: a run or a float model as a smaller file, compared with the float network."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import open_model_bytes
from pi_classifier.modelfile.model_graph import read_model_graph
from pi_classifier.setting import setting
from pi_classifier_training.compression.layer_errors import LayerError, layer_errors
from pi_classifier_training.compression.quantization_aware import Aware, AwareOptions, train_aware
from pi_classifier_training.conversion.bias_correction import full_integer
from pi_classifier_training.conversion.conversion import FULL_INTEGER, Kind, convert
from pi_classifier_training.conversion.full_integer import FullInteger
from pi_classifier_training.data.dataset import Images, decode, evenly_over_labels, squeeze
from pi_classifier_training.data.splits import SplitOptions
from pi_classifier_training.evaluation.evaluate import figures
from pi_classifier_training.evaluation.scoring import classify_photos
from pi_classifier_training.evaluation.significance import paired
from pi_classifier_training.evaluation.unknown import open_uncalibrated
from pi_classifier_training.export.export import TRIAL
from pi_classifier_training.export.run_export import export_kind, open_source
from pi_classifier_training.export.source import Source, calibration_photos, drawn_photos
from pi_classifier_training.modelfile.model_folder import require_writable
from pi_classifier_training.modelfile.writer import write_model_file
from pi_classifier_training.progress import with_progress

SQUARE_MARGIN = 1.25
# Photos whose layers are compared, evenly over the labels; each costs a run per layer.
LAYER_PHOTOS = 20
VALIDATION_PER_LABEL, VALIDATION_PHOTOS = 200, 1_200
MODES: tuple[Kind, ...] = ("dynamic", "float16", "int8", "qat")


@dataclass(frozen=True, slots=True)
class QuantizeOptions:
    """The kind of file, whether to compare layers, and how to train where it is "qat"."""

    kind: Kind = setting(
        "int8",
        "int8: all in 8 bits; qat: the same, trained for it; dynamic: only the weights in 8 "
        "bits; float16: the weights in 16 bits",
        choices=MODES,
        option="--mode",
    )
    layers: bool = setting(False, "also say layer by layer what quantization does")
    training: AwareOptions = AwareOptions()
    splits: SplitOptions = SplitOptions()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The float and the quantized file on the same photos: n, figures, photos lost and won.

    `before` and `after` are figures of merit (see `evaluation.evaluate.figures`),
    `test` the paired comparison (`evaluation.significance.paired`).
    """

    n: int
    before: dict[str, Any]
    after: dict[str, Any]
    test: dict[str, Any]

    @property
    def lost(self) -> int:
        """Photos that only the float file gets right."""
        return int(self.test["only_first_right"])

    @property
    def won(self) -> int:
        """Photos that only the quantized file gets right."""
        return int(self.test["only_this_right"])


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """What `quantize` did: the file, its size and the float file's, figures by split.

    `seen` where the photos may have been trained on; `in_floats` are the operations that
    the file still computes in floats though it is full-integer.
    """

    path: Path
    kind: Kind
    size_bytes: int
    float_bytes: int
    splits: dict[str, Comparison]
    layers: tuple[LayerError, ...]
    training: Aware | None
    seen: bool = False
    in_floats: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The record that ``--json`` prints."""
        return {
            "file": str(self.path),
            "kind": self.kind,
            "size_bytes": self.size_bytes,
            "float_bytes": self.float_bytes,
            "splits": {name: asdict(split) for name, split in self.splits.items()},
            "layers": [layer.as_dict() for layer in self.layers],
            "training": None if self.training is None else self.training.as_dict(),
            "operations_in_floats": list(self.in_floats),
        }


def quantize(
    path: Path, image_dirs: list[Path], options: QuantizeOptions, output: Path | None = None
) -> Quantized:
    """Write a run, or a float model file, as one file of another kind; compare the two.

    `output` is by default ``<kind>.tflite`` in the run's folder, ``<model>-<kind>.tflite``
    beside the model. Both files run through the daemon's classifier on the validation and the
    test photos. Raises TrainingError or ModelError with one clear message.
    """
    source = open_source(path, image_dirs, options.splits)
    kind, path = options.kind, output or source.file_of(options.kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    require_writable(path.parent)
    calibration = calibration_photos(source)
    original = convert(source.network, "float32", calibration)
    aware = None
    if kind == "qat":
        start = full_integer(read_model_graph(original), calibration.pixels)
        aware = trained(source, start, options.training)
        bare = aware.result.write(source.network.name)
    else:
        bare = convert(source.network, kind, calibration)
    entries = {} if aware is None else {"quantization": aware.as_dict()}
    export_kind(source, kind, calibration, path, bare=bare, entries=entries)
    splits = _compared(source, original, path)
    return Quantized(
        path,
        kind,
        path.stat().st_size,
        len(original),
        splits,
        _layers(source, original, bare) if options.layers else (),
        aware,
        source.evaluation is None,
        _in_floats(bare) if kind in FULL_INTEGER else (),
    )


def _in_floats(bare: bytes) -> tuple[str, ...]:
    """The operations of a full-integer file that have no form in 8 bits."""
    graph = read_model_graph(bare)
    return tuple(
        dict.fromkeys(
            operation.kind
            for operation in graph.operations
            if operation.kind not in ("QUANTIZE", "DEQUANTIZE")
            and any(graph.tensors[i].dtype == "float32" for i in operation.outputs)
        )
    )


def trained(source: Source, start: FullInteger, options: AwareOptions) -> Aware:
    """Quantization-aware training on the training photos, from `start`."""
    per_label = min(VALIDATION_PER_LABEL, -(-VALIDATION_PHOTOS // len(source.network.labels)))
    validation = drawn_photos(source, "validation", per_label)
    return train_aware(start, training_squares(source, options), validation.pixels, options)


def training_squares(source: Source, options: AwareOptions) -> Images:
    """The training photos as augmentation takes them: squeezed, larger than the input."""
    labels = source.network.labels
    photos = [p for p in source.photos() if p.split == "training"]
    if options.per_label is not None:
        of_labels = [p.label for p in photos]
        photos = [photos[i] for i in evenly_over_labels(of_labels, options.per_label, seed=1)]
    margin = round(source.network.side * SQUARE_MARGIN)
    return decode(
        photos, labels, squeeze(margin), margin, lambda p: with_progress("reading photos", p)
    )


def _compared(source: Source, original: bytes, path: Path) -> dict[str, Comparison]:
    """Both files on the validation and the test photos, through the daemon's classifier."""
    labels = source.network.labels
    photos = source.photos()
    manifest = {
        "name": "float32",
        "input": source.entries()["input"],
    }
    compared = {}
    with contextlib.ExitStack() as stack:
        trial = write_model_file(original, labels, manifest)
        both = [
            stack.enter_context(contextlib.closing(classifier))
            for classifier in (
                open_model_bytes(trial, "float32.tflite", TRIAL),
                # Its temperature would make it look better, or worse, than rounding does.
                open_uncalibrated(path),
            )
        ]
        for split in ("validation", "test"):
            chosen = [p for p in photos if p.split == split]
            if chosen:
                before, after = classify_photos(
                    both, chosen, lambda p: with_progress("comparing", p)
                )
                compared[split] = Comparison(
                    len(before.photos), figures(before), figures(after), paired(before, after)
                )
    return compared


def _layers(source: Source, original: bytes, bare: bytes) -> tuple[LayerError, ...]:
    """Validation photos, which neither calibration nor training has seen, layer by layer."""
    per_label = -(-LAYER_PHOTOS // len(source.network.labels))
    photos = drawn_photos(source, "validation", per_label).pixels[:LAYER_PHOTOS]
    return tuple(layer_errors(original, bare, photos))
