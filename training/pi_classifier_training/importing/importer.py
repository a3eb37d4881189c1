"""From a model of any origin to a checked model file of this project."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pi_classifier.errors import ModelError, ModelMismatch
from pi_classifier.inference.classifier import ModelClassifier, open_model_bytes
from pi_classifier.modelfile.labels import silent_labels
from pi_classifier.modelfile.manifest import CHANNELS_WRITTEN, Resize
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.model_graph import read_model_graph
from pi_classifier.modelfile.picture_input import Channels, channels_of
from pi_classifier.modelfile.tflite_graph import Graph, read_graph
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS, Normalization
from pi_classifier.setting import setting
from pi_classifier.system.files import write_atomic
from pi_classifier_training.conversion.reference import kernel_spread
from pi_classifier_training.errors import ExportError, ParityError
from pi_classifier_training.export.export import TRIAL, open_with_golden
from pi_classifier_training.importing.comparison import (
    FLOAT_TOLERANCE,
    TOLERANCE,
    comparison_pictures,
    difference,
)
from pi_classifier_training.importing.confined import read_confined
from pi_classifier_training.importing.labels import distinct, find_labels
from pi_classifier_training.importing.normalize import Stated, choose_normalization
from pi_classifier_training.importing.original import WORDS, Original
from pi_classifier_training.importing.sources import Choices, opened
from pi_classifier_training.inspection.weights import model_kind
from pi_classifier_training.modelfile.golden import golden_vectors
from pi_classifier_training.modelfile.model_card import ModelCard
from pi_classifier_training.modelfile.writer import write_model_file

# What a file of ours says beyond what is found anew.
_KEPT = ("training", "evaluation", "calibration", "thresholds", "network")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user states; None is for what the source says itself."""

    labels: Path | None = setting(None, "one label a line, in output order", metavar="FILE")
    card: ModelCard = ModelCard()
    normalization: Stated | None = None
    resize: Resize | None = setting(None, "how photos get its shape")
    channels: Literal["rgb", "bgr"] | None = setting(None, "which color its input has first")
    choices: Choices = Choices()
    image_dirs: tuple[Path, ...] = ()
    trust: bool = setting(False, "read SOURCE with all your rights, not confined")


def import_model(source: Path, output: Path, options: ImportOptions) -> Iterator[str]:
    """Import `source` as the model file `output`; yield lines on what was found.

    The file is written only after it gave the original's scores on pictures. Raises
    ExportError where the source cannot be used, ParityError where the scores differ.
    """
    with contextlib.ExitStack() as stack:
        recognized = stack.enter_context(opened(source))
        yield f"{source}: a {WORDS[recognized.format]}" + (
            " of Teachable Machine" if recognized.teachable_machine else ""
        )
        original = stack.enter_context(
            read_confined(recognized, options.choices, trusted=options.trust)
        )
        graph = _graph(original)
        stated, source_of = find_labels(recognized, original.tflite, options.labels, graph.outputs)
        labels = distinct(stated)
        yield f"  labels         {len(labels)}, from {source_of}"
        for before, after in zip(stated, labels, strict=True):
            if before != after:
                yield f"                 {before!r} stands there again; called {after!r}"
        earlier = _earlier(original)
        channels, normalization, why = _pixels(source, original, graph, options, earlier)
        written = CHANNELS_WRITTEN[channels]
        first = ", channels first" if graph.picture.channels_first else ""
        yield f"  pixels         {written}{first}, {_words(normalization)} ({why})"
        contents = _contents(source, original, graph, labels, written, options, earlier)
        yield f"  resize         {contents['input']['resize']} (change it with --resize)"
        finished, same = _compared(original, labels, contents, normalization, options.image_dirs)
        yield same
        with contextlib.closing(open_with_golden(finished, output.name)) as classifier:
            if options.image_dirs:
                yield from _accuracy(classifier, options.image_dirs)
        write_atomic(output, finished)
    yield f"{output}: {output.stat().st_size / 1000:.0f} kB, {contents['kind']}"


def _graph(original: Original) -> Graph:
    try:
        return read_graph(memoryview(original.tflite))
    except (ModelError, ValueError) as error:
        raise ExportError(f"{original.path}: {error}") from error


def _pixels(
    source: Path,
    original: Original,
    graph: Graph,
    options: ImportOptions,
    earlier: Mapping[str, Any],
) -> tuple[Channels, Normalization, str]:
    """The order of the colors, the normalization, and where that comes from."""
    word = earlier.get("input", {}).get("channels")
    written = next((c for c, written in CHANNELS_WRITTEN.items() if written == word), None)
    try:
        channels = channels_of(graph.picture, graph.metadata, written, options.channels)
        normalization, why = choose_normalization(
            source, original, graph, options.normalization, channels
        )
    except ModelMismatch as error:
        raise ExportError(f"{source}: {error}") from error
    return channels, normalization, why


def _words(normalization: Normalization) -> str:
    if normalization == RAW_PIXELS:
        return "0 to 255 as they are"
    mean, std = (", ".join(f"{v:g}" for v in x) for x in (normalization.mean, normalization.std))
    return f"(x − {mean}) / {std}"


def _contents(
    source: Path,
    original: Original,
    graph: Graph,
    labels: Sequence[str],
    channels: str,
    options: ImportOptions,
    earlier: Mapping[str, Any],
) -> dict[str, Any]:
    """``pi_classifier.json`` of the new file, with what an earlier one of ours says."""
    card = options.card
    stated = {
        k: getattr(card, k) for k in ("description", "author", "license") if getattr(card, k)
    }
    return {
        **{k: earlier[k] for k in ("description", "author", "license") if k in earlier},
        **stated,
        **{k: earlier[k] for k in _KEPT if k in earlier},
        "name": card.name,
        "version": card.version,
        "kind": model_kind(read_model_graph(original.tflite)),
        "input": {
            "size": list(graph.picture.size),
            "resize": options.resize or earlier.get("input", {}).get("resize") or original.resize,
            "channels": channels,
        },
        "silent_labels": list(silent_labels(labels)),
        "imported": {
            "from": WORDS[original.format],
            "file": source.name,
            "sha256": hashlib.sha256(original.tflite).hexdigest(),
        },
    }


def _earlier(original: Original) -> dict[str, Any]:
    """What a ``.tflite`` already says of itself."""
    if original.format != "tflite":
        return {}
    with contextlib.suppress(ModelError):
        model = read_model_file(original.path, None, None)
        entries = dict(model.manifest.details)
        if model.metadata is not None:
            texts = {k: getattr(model.metadata, k) for k in ("description", "author", "license")}
            entries = {k: v for k, v in texts.items() if v} | entries
        return entries
    return {}


def _compared(
    original: Original,
    labels: Sequence[str],
    contents: dict[str, Any],
    normalization: Normalization,
    image_dirs: Sequence[Path],
) -> tuple[bytes, str]:
    """Compare the new file with the original; return it with golden vectors, and a line on it."""
    trial = write_model_file(original.tflite, labels, contents, normalization)
    with contextlib.closing(
        open_model_bytes(trial, contents["name"], TRIAL, foreign=True)
    ) as classifier:
        pictures, what = comparison_pictures(
            classifier.input_size, contents["input"]["resize"], image_dirs
        )
        allowed = TOLERANCE.get(contents["kind"], FLOAT_TOLERANCE)
        off, scale = difference(classifier, original, normalization, pictures)
        if not off <= allowed * scale:
            raise ParityError(
                f"{original.path}: the imported file's scores differ from the original's by "
                f"{off:.4f} on {what}; expected at most {allowed * scale:g}. Nothing was written"
            )
        vectors = golden_vectors(classifier, labels, seed=1)
    spread = kernel_spread(
        vectors,
        original.other_kernels,
        normalization,
        classifier.input_size,
        classifier.model,
    )
    tolerance = round(max(allowed * scale, 2 * spread), 4)
    contents["golden"] = {"tolerance": tolerance, "vectors": vectors}
    near = f"within {off:.1g}" if off else "exactly"
    return (
        write_model_file(original.tflite, labels, contents, normalization),
        f"  same scores    as the {WORDS[original.format]}, {near}, on {what}",
    )


def _accuracy(classifier: ModelClassifier, image_dirs: Sequence[Path]) -> Iterator[str]:
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions, evaluate_classifier
    from pi_classifier_training.evaluation.report_text import share
    from pi_classifier_training.progress import with_progress

    record = evaluate_classifier(
        classifier,
        image_dirs,
        EvaluationOptions(split="all"),
        lambda photos: with_progress("classifying", photos),
    )
    yield f"  photos right   {share(record, 'top1')}, if it was not trained on them"
