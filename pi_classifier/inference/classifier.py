"""From a frame to a prediction: one model file, checked by its own self-test."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier.errors import ConfigError, ModelMismatch
from pi_classifier.inference import sensor_classifier
from pi_classifier.inference.accelerator import open_as_set
from pi_classifier.inference.cascade import Cascade, open_cascade
from pi_classifier.inference.interpreter import Interpreter
from pi_classifier.inference.quantization import Pixels, Scores
from pi_classifier.inference.score_reading import ScoreReader, activation_of, are_independent
from pi_classifier.inference.settings import (
    ModelSettings,
    cache_dir_of,
    stated_channels,
    stated_normalization,
    stated_of_pixels,
)
from pi_classifier.inference.tiles import Tiles
from pi_classifier.inference.unknown import UnknownRejection
from pi_classifier.inference.verifier import try_content, verified
from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.manifest import GoldenVector, Resize, UnknownScore
from pi_classifier.modelfile.model_copy import ModelSource
from pi_classifier.modelfile.model_file import (
    ModelFile,
    read_model_bytes,
    read_model_file,
    upsample_nearest,
)
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.types import Category, Classifier, Frame, Prediction

log = logging.getLogger(__name__)

_Step = Callable[..., Any]


class ModelClassifier:
    """Runs one model on frames; made by `open_classifier`. It serves one thread.

    Replays the file's golden vectors at once; raises `ModelMismatch` where one does
    not reproduce. `top_k` 0 puts every label into the predictions; `unknown` says which
    frames are unlike every label, None that none are told.
    """

    def __init__(
        self,
        model: ModelFile,
        interpreter: Interpreter,
        top_k: int = 0,
        resize: Resize | None = None,
        scores: str = "auto",
        unknown: UnknownScore | None = None,
    ) -> None:
        self.model = model
        self.name = model.name
        self._interpreter = interpreter
        self._preprocess: _Step = Preprocessor(model.input_size, resize or model.manifest.resize)
        self._invoke: _Step = interpreter.invoke
        self._pixels = np.empty((*model.input_size, 3), np.uint8)
        self._top_k = min(top_k or len(model.labels), len(model.labels))
        activation = activation_of(model, scores, self.raw_scores)
        self._independent = are_independent(activation, model)
        self._read = ScoreReader(activation, model.manifest.temperature, len(model.labels))
        self._read_uncalibrated = ScoreReader(activation, 1.0, len(model.labels))
        self._unknown = None if unknown is None else UnknownRejection(unknown)
        self._silent = frozenset(model.manifest.silent_labels)
        for number, vector in enumerate(model.manifest.golden, start=1):
            self._replay(vector, number)

    @property
    def labels(self) -> Sequence[str]:
        """The labels in output order."""
        return self.model.labels

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input in pixels."""
        return self.model.input_size

    @property
    def runtime(self) -> str:
        """What runs the model."""
        return self._interpreter.runtime

    @property
    def independent(self) -> bool:
        """Whether any number of labels may have a high score in one frame."""
        return self._independent

    def classify(self, frame: Frame) -> Prediction:
        """Return the best labels for `frame`. Raises `InferenceError`."""
        start_ns = time.perf_counter_ns()
        pixels = self._preprocess(frame.pixels, self._pixels)
        outputs = self._invoke(pixels)
        categories = self._best(self._read(outputs))
        # A silent label is an answer too: the frame is like the pictures of "background".
        unknown = (
            self._unknown is not None
            and categories[0].label not in self._silent
            and self._unknown(self._read_uncalibrated(outputs))
        )
        latency_ns = time.perf_counter_ns() - start_ns
        return Prediction(categories, self.name, 0, latency_ns, unknown)

    def raw_scores(self, pixels: Pixels) -> Scores:
        """Return the network's own scores float32 ``[outputs]`` for pixels of `input_size`.

        They are not calibrated; the array is overwritten by the next call.
        """
        return self._interpreter.invoke(pixels)

    def watch_steps(self, around: Callable[[str, _Step], _Step]) -> None:
        """From now on take `around(name, step)` for its steps "preprocess" and "network"."""
        self._preprocess = around("preprocess", self._preprocess)
        self._invoke = around("network", self._invoke)

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        self._interpreter.close()

    def _best(self, scores: Scores) -> tuple[Category, ...]:
        # A stable sort, so that of equals the first output wins. With a thousand labels it
        # takes 5 to 17 µs; a partition takes 50 where most of a quantized output is zero.
        order = np.argsort(-scores, kind="stable")[: self._top_k]
        labels = self.model.labels
        best = zip(order.tolist(), scores[order].tolist(), strict=True)
        return tuple(Category(index, labels[index], score) for index, score in best)

    def _replay(self, vector: GoldenVector, number: int) -> None:
        model = self.model
        scores = self.raw_scores(upsample_nearest(vector.pixels, model.input_size))
        off = np.abs(scores - vector.scores)
        # Not-a-number must fail too, so the comparison is for being within.
        if bool((off <= model.manifest.golden_tolerance).all()):
            return
        worst = int(np.argmax(np.nan_to_num(off, nan=np.inf)))
        raise ModelMismatch(
            f"{model.path}: fails its self-test on {self.runtime}: golden vector {number} of "
            f"{len(model.manifest.golden)} gives {model.labels[worst]!r} the score "
            f"{scores[worst]:.3f}, expected {vector.scores[worst]:.3f} within "
            f"{model.manifest.golden_tolerance:g}; the file is damaged or was put together "
            "wrongly (copy or export it again), or this runtime computes it wrongly (try "
            "another with the setting model.runtime)"
        )


def open_classifier(settings: ModelSettings) -> Classifier:
    """Open what `settings.path` names: a model file, a ``cascade.toml``, a folder with one.

    A shipped model's name serves too. A model that is not known yet is tried in a child
    process first. Raises `ModelError` or `ConfigError`, with what to do, and OSError where
    the machine refuses.
    """
    if settings.path == sensor_classifier.NAME:
        return sensor_classifier.open_sensor_classifier(
            settings.labels, settings.top_k, settings.unknown_rejection
        )
    path = find_model(settings.path)
    if path.suffix == ".toml":
        return open_cascade(path, lambda models: _opened(models, settings))
    return open_model(path, settings)


def open_model(path: Path, settings: ModelSettings) -> ModelClassifier:
    """Open the one model file at `path`, as `open_classifier` does; `settings.path` is ignored."""
    (classifier,) = _opened([path], settings)
    return classifier


def _opened(paths: Sequence[Path], settings: ModelSettings) -> Iterator[ModelClassifier]:
    def opened(source: ModelSource, weights: Path | None) -> ModelClassifier:
        return start_model(read_to_run(source, settings, verified=True), settings, weights)

    return verified(paths, settings, cache_dir_of(settings), opened)


def describe_models(
    paths: Sequence[Path], labels: str | None, key_file: str | None = None
) -> list[ModelFile]:
    """Return what is known of model files that can be opened and run; raises what that would.

    They need not say how their pixels are normalized.
    """
    settings = ModelSettings(labels=labels, key_file=key_file)

    def described(source: ModelSource, _: Path | None) -> ModelFile:
        return read_model_file(source, labels, to_run=False, verified=True)

    return list(verified(paths, settings, cache_dir_of(settings), described, describing=True))


def read_to_run(
    source: ModelSource, settings: ModelSettings, *, verified: bool = False
) -> ModelFile:
    """Read a model as the settings say; see `read_model_file`."""
    stated = stated_normalization(settings)
    channels = stated_channels(settings)
    tpu = bool(settings.delegate)
    model = read_model_file(
        source, settings.labels, stated, channels=channels, verified=verified, edge_tpu=tpu
    )
    _log_normalization(model, stated)
    return model


def open_model_bytes(
    content: bytes, name: str, settings: ModelSettings, *, foreign: bool = False
) -> ModelClassifier:
    """Open a model file that is in memory; `name` stands for its path.

    It runs as it will from the disk, but for its packed weights, which are not cached. A
    `foreign` one, which another program wrote, is tried in a child process first.
    """
    if foreign:
        try_content(content, Path(name), settings)
    stated = stated_normalization(settings)
    channels = stated_channels(settings)
    model = read_model_bytes(content, name, settings.labels, stated, channels=channels)
    _log_normalization(model, stated)
    return start_model(model, settings, None)


def _log_normalization(model: ModelFile, stated: Normalization | None) -> None:
    if stated is not None:
        log.info("%s: normalization as configured: %s", model.path, stated)
    elif model.normalization is None:
        log.info(
            "%s: no normalization in the model file; pixels 0 to 255 are taken to span the whole "
            "range of its %s input",
            model.path,
            model.input.dtype,
        )


def start_model(
    model: ModelFile, settings: ModelSettings, weights: Path | None
) -> ModelClassifier:
    """Load and run a model, with its packed weights if there are any; see `open_as_set`."""
    unknown = _unknown_score(model, settings)
    interpreter = open_as_set(model, settings, weights)
    resize: Resize | None = None
    if settings.resize in ("crop", "stretch"):
        resize = "crop" if settings.resize == "crop" else "stretch"
    try:
        classifier = ModelClassifier(
            model, interpreter, settings.top_k, resize, settings.scores, unknown
        )
    except BaseException as error:
        interpreter.close()
        stated = stated_of_pixels(settings)
        if stated and isinstance(error, ModelMismatch) and model.manifest.golden:
            raise ModelMismatch(
                f"{model.path}: fails its self-test with {' and '.join(stated)} as configured; "
                "the file says itself how its pixels are read: remove the setting"
            ) from error
        raise
    if unknown is not None and classifier.independent:
        classifier.close()
        raise ModelMismatch(
            f"{model.path}: tells unknown frames by scores that share 100 %, and its scores are "
            'independent of one another; remove its "unknown" entry, or set '
            "model.unknown_rejection to off"
        )
    return classifier


def _unknown_score(model: ModelFile, settings: ModelSettings) -> UnknownScore | None:
    """How unknown frames are told, as the model says and the settings want."""
    if settings.unknown_rejection == "on" and model.manifest.unknown is None:
        raise ConfigError(
            f"model.unknown_rejection = on: {model.path} does not say how unknown frames are "
            'told; set it to "auto", or have the model file completed on the workstation: '
            "pi-classifier-train calibrate --negatives PHOTOS"
        )
    return None if settings.unknown_rejection == "off" else model.manifest.unknown


def model_names(classifier: Classifier) -> str:
    """What is in force, for the log: the name, and the models of a cascade."""
    names = [model.name for model in model_files(classifier)]
    return f"{classifier.name} ({', '.join(names)})" if len(names) > 1 else classifier.name


def frame_size(classifier: Classifier) -> tuple[int, int] | None:
    """Height and width of the frames the largest model looks at, in pixels.

    None for one that wants them as large as they are, and where none is known.
    """
    if isinstance(classifier, Tiles):
        return None
    sizes = [model.input_size for model in model_files(classifier)]
    return max(sizes, default=None)


def silent_labels_of(classifier: Classifier) -> frozenset[str]:
    """The labels that a classifier itself calls silent, in a cascade those of any model."""
    if isinstance(classifier, sensor_classifier.SensorClassifier):
        return frozenset(classifier.silent_labels)
    files = model_files(classifier)
    return frozenset(label for file in files for label in file.manifest.silent_labels)


def model_files(classifier: Classifier) -> Iterator[ModelFile]:
    """The model files behind a classifier, in the order they are asked."""
    if isinstance(classifier, Cascade | Tiles):
        for part in classifier.classifiers:
            yield from model_files(part)
    elif isinstance(classifier, ModelClassifier):
        yield classifier.model
