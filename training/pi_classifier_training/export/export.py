"""From a trained network to model files: converted, checked, labeled, written whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pi_classifier.errors import ModelMismatch
from pi_classifier.inference.classifier import ModelClassifier, open_model_bytes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.labels import silent_labels
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS
from pi_classifier.system.files import write_atomic
from pi_classifier_training.conversion.conversion import Convertible, Kind, convert
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.errors import ParityError
from pi_classifier_training.export.parity import require_parity, require_raw_pixels_wanted
from pi_classifier_training.modelfile.golden import golden_vectors
from pi_classifier_training.modelfile.model_card import ModelCard
from pi_classifier_training.modelfile.writer import write_model_file
from pi_classifier_training.networks.network import Network
from pi_classifier_training.progress import working

# A full-integer model differs between processors by a few of its 256 steps; with
# dynamic ranges runtimes round activations each in its own way.
GOLDEN_TOLERANCE: dict[Kind, float] = {
    "float32": 1e-3,
    "float16": 5e-3,
    "dynamic": 0.06,
    "int8": 0.06,
    "qat": 0.06,
}
# Trials are opened once: their packed weights are not worth a place in the user's cache.
TRIAL = ModelSettings(cache_dir="", top_k=0)

Evaluation = Callable[[ModelClassifier], dict[str, Any]]
"""Figures of a finished file on photos that it was not trained on."""
ScoreCalibration = Callable[[ModelClassifier], dict[str, Any]]
"""Entries of ``pi_classifier.json`` with which a finished file's scores mean what they say."""


def export(
    network: Convertible,
    kind: Kind,
    card: ModelCard,
    calibration: Images,
    manifest: dict[str, Any],
    evaluation: Evaluation | None,
    path: Path,
    bare: bytes | None = None,
    score_calibration: ScoreCalibration | None = None,
) -> dict[str, Any]:
    """Convert a network and write it as one model file to `path`, whole or not at all.

    `calibration` are training photos as the device sees them, from which a full-integer
    model takes its ranges, and on which every file must do what the network does.
    `manifest` are further entries of ``pi_classifier.json``, which is returned. What
    `score_calibration` and then `evaluation` say of the finished file is written into it; None
    where photos may have been trained on.
    `bare` is the TFLite flatbuffer where it is not made by `convert`.

    Raises ExportError where the network cannot be converted or its input is not raw pixels,
    ParityError where the file does not do what the network does or fails its self-test.
    """
    if isinstance(network, Network):
        require_raw_pixels_wanted(network.inference_model())
    if bare is None:
        with working(f"making {path.name}"):
            bare = convert(network, kind, calibration)
    contents = _contents(network, kind, card) | manifest
    labels = list(network.labels)
    contents["golden"] = _self_test(network, kind, bare, contents, calibration, path.name)
    contents |= _asked(score_calibration, bare, labels, contents, path.name)
    figures = _asked(evaluation, bare, labels, contents, path.name)
    if evaluation is not None:
        contents["evaluation"] = figures
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, write_model_file(bare, labels, contents))
    return contents


def _asked(
    ask: Evaluation | ScoreCalibration | None,
    bare: bytes,
    labels: Sequence[str],
    contents: dict[str, Any],
    name: str,
) -> dict[str, Any]:
    """What `ask` says of the finished file, which passes its self-test in any case."""
    with (
        working(f"measuring {name}"),
        contextlib.closing(
            open_with_golden(write_model_file(bare, labels, contents), name)
        ) as classifier,
    ):
        return {} if ask is None else ask(classifier)


def _self_test(
    network: Convertible,
    kind: Kind,
    bare: bytes,
    contents: dict[str, Any],
    calibration: Images,
    name: str,
) -> dict[str, Any]:
    """The golden vectors and their tolerance, of a file that does what the network does."""
    labels = list(network.labels)
    trial = write_model_file(bare, labels, contents)
    with (
        working(f"checking {name}"),
        contextlib.closing(open_model_bytes(trial, name, TRIAL)) as classifier,
    ):
        require_parity(classifier, network, calibration.pixels, kind)
        vectors = golden_vectors(classifier, labels, seed=1)
        tolerance = golden_tolerance(kind, bare, vectors, classifier.input_size)
    return {"tolerance": tolerance, "vectors": vectors}


def golden_tolerance(
    kind: Kind, bare: bytes, vectors: Sequence[dict[str, Any]], size: tuple[int, int]
) -> float:
    """How far the scores of the self-test may be off on a device.

    32-bit systems have only tflite-runtime, whose full-integer kernels round otherwise; they
    give, bit for bit, what LiteRT gives here without XNNPACK. Twice what that is off, at
    least `GOLDEN_TOLERANCE`.
    """
    from pi_classifier_training.conversion.reference import kernel_spread, reference

    other = reference(Path("the exported model"), bare, xnnpack=False)
    spread = kernel_spread(vectors, other, RAW_PIXELS, size)
    return max(GOLDEN_TOLERANCE[kind], round(2 * spread, 4))


def _contents(network: Convertible, kind: Kind, card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "author": card.author,
        "license": card.license,
        "kind": kind,
        "input": {"size": [network.side, network.side], "resize": "crop", "channels": "RGB"},
        "silent_labels": list(silent_labels(network.labels)),
        "calibration": {"temperature": 1.0},
    }


def open_with_golden(content: bytes, name: str) -> ModelClassifier:
    """Open a finished file, which replays its golden vectors. Raises ParityError."""
    try:
        return open_model_bytes(content, name, TRIAL)
    except ModelMismatch as error:
        raise ParityError(f"not exported: {error}") from error
