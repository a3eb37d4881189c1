"""Round a float model file so that it compresses: by a method, a saving or a loss.

Saving is always 1 − (bytes of ``gzip -9`` of the whole rounded file) / (bytes of the
float file as it is).
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pi_classifier.inference.classifier import open_model_bytes
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.types import Frame
from pi_classifier_training.compression.rounding.channel_order import in_order_of_steps
from pi_classifier_training.compression.rounding.float_file import (
    FloatModel,
    packed_bytes,
    patched,
    trial_bytes,
)
from pi_classifier_training.compression.rounding.levels import (
    FINER_DEPTHWISE,
    MOST_LEVELS,
    as_kernel,
    as_rows,
    classic,
    per_channel,
)
from pi_classifier_training.compression.rounding.pictures import drawn_pictures, unlike_pictures
from pi_classifier_training.conversion.reference import normalized
from pi_classifier_training.data.dataset import Photo, decode, evenly_over_labels, scan
from pi_classifier_training.data.splits import SplitOptions
from pi_classifier_training.data.stored_pixels import PixelRows
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.held_out import recorded_rule
from pi_classifier_training.evaluation.labeling import match_labels
from pi_classifier_training.evaluation.metrics import cross_entropy
from pi_classifier_training.evaluation.scoring import Scores, score_photos
from pi_classifier_training.evaluation.significance import difference_interval
from pi_classifier_training.export.export import TRIAL
from pi_classifier_training.progress import Progress, with_progress

log = logging.getLogger(__name__)

Method = Literal["compensated", "channel", "classic"]
USUAL_LEVELS = 256
# The split of what is measured without photos: pictures of kinds that no layer was fitted with.
DRAWN = "drawn"
DRAWN_PICTURES, FITTING_SEED, MEASURING_SEED = 100, 1, 2

# Training photos that layers are fitted with, and how few will not do.
CALIBRATION_PHOTOS, FEWEST_PHOTOS = 128, 8
# No more photos than keep the largest layer's outputs below this.
LARGEST_LAYER_BYTES = 128 << 20

Values = NDArray[np.float32]
Weights = dict[int, Values]


@dataclass(frozen=True, slots=True)
class Figures:
    """How a rounded model does on photos, and next to the float model.

    `top1` and `agreement` (the same best label) are fractions of `n` photos, `change` the 95 %
    interval of the difference of `top1`, on the same photos; `cross_entropy` and `divergence`
    (Kullback–Leibler, from the float scores) are nats. Drawn pictures have no true label: the
    float model's counts as theirs.
    """

    n: int
    top1: float
    change: tuple[float, float]
    cross_entropy: float
    agreement: float
    divergence: float


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One way of rounding, and how small it packs; `setting` says it in words."""

    method: str
    setting: str
    weights: Weights
    packed_bytes: int
    saving: float


class RoundingTrials:
    """Tries ways of rounding one model; each is computed once.

    Without photos, pictures are drawn: to fit layers with, others to measure on (`DRAWN`).
    """

    def __init__(
        self, source: FloatModel, image_dirs: Sequence[Path], splits: SplitOptions | None = None
    ) -> None:
        self.source = source
        stated = recorded_rule(source.model)
        self.rule = (splits or SplitOptions()).applied_to(stated, source.model.path.name)
        self._image_dirs = tuple(image_dirs)
        self._photos = self._matched()
        self._attempts: dict[tuple[str, float], Attempt] = {}
        self._float_scores: dict[str, Scores] = {}
        self._figures: dict[tuple[Attempt, str], Figures] = {}
        self._calibration: tuple[Values, dict[int, Any]] | None = None

    def _matched(self) -> list[Photo]:
        if not self._image_dirs:
            return []
        model = self.source.model
        return list(match_labels(scan(self._image_dirs, self.rule), model.labels, model.name))

    def untouched(self) -> Attempt:
        """The float model as it is."""
        return self._attempt("float", "as it is", {})

    def by_levels(self, method: str, levels: int) -> Attempt:
        """Round by looking at the weights alone, to `levels` values."""
        if (method, levels) not in self._attempts:
            weights: Weights = {}
            for layer in self.source.layers:
                tensor = self.source.graph.tensors[layer.inputs[1]]
                channels = self.source.graph.tensors[layer.inputs[0]].shape[-1]
                rows = as_rows(layer.kind, np.asarray(tensor.values(), np.float32), channels)
                if method == "classic":
                    rows = classic(rows, levels)
                else:
                    depthwise = layer.kind == "DEPTHWISE_CONV_2D"
                    finer = min(MOST_LEVELS, levels * FINER_DEPTHWISE)
                    rows = per_channel(rows, finer if depthwise else levels)
                weights[tensor.index] = as_kernel(layer.kind, rows, tensor.shape)
            if method != "classic":
                weights = in_order_of_steps(self.source, weights)
            self._attempts[method, levels] = self._attempt(method, f"{levels} levels", weights)
        return self._attempts[method, levels]

    def by_tolerance(self, exponent: float) -> Attempt:
        """Round so that each weight does at most about 2^`exponent` nats of harm."""
        from pi_classifier_training.compression.rounding.calibration import round_network

        key = ("compensated", exponent)
        if key not in self._attempts:
            source = self.source
            pixels, sensitivity = self._calibrated()
            setting = f"tolerance 2^{exponent:g}"
            with Progress(f"rounding, {setting}", len(source.layers)) as bar:
                weights = round_network(
                    source.graph,
                    source.layers,
                    source.biases,
                    pixels,
                    sensitivity,
                    2.0**exponent,
                    bar.step,
                )
            weights = in_order_of_steps(source, weights)
            self._attempts[key] = self._attempt("compensated", setting, weights)
        return self._attempts[key]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of photos that attempts are measured on, first the one that may choose."""
        return ("validation", "test") if self._image_dirs else (DRAWN,)

    def figures(self, attempt: Attempt, split: str) -> Figures:
        """Measure an attempt on the photos of a split, by the daemon's classifier."""
        # Not by its words: another's trials may have come to other weights at that tolerance.
        key = (attempt, split)
        if key not in self._figures:
            own = self._scored(attempt.weights, split, f"{split} photos, {attempt.setting}")
            self._figures[key] = figures_beside(self.float_scores(split), own)
        return self._figures[key]

    def float_figures(self, split: str) -> Figures:
        """The same of the float model."""
        scores = self.float_scores(split)
        return figures_beside(scores, scores)

    def float_scores(self, split: str) -> Scores:
        """What the float model says of the photos of a split. Raises DatasetError."""
        if split not in self._float_scores:
            scores = self._scored({}, split, f"{split} photos, float model")
            for message in scores.unreadable:
                log.warning("left out: %s", message)
            self._float_scores[split] = scores
        return self._float_scores[split]

    def _attempt(self, method: str, setting: str, weights: Weights) -> Attempt:
        packed = packed_bytes(patched(self.source, weights))
        return Attempt(method, setting, weights, packed, 1 - packed / len(self.source.data))

    def _scored(self, weights: Mapping[int, Values], split: str, title: str) -> Scores:
        if split == DRAWN:
            return self._scored_drawn(weights)
        chosen = [p for p in self._photos if p.split == split]
        if not chosen:
            raise DatasetError(
                f"none of the {len(self._photos)} photos belongs to the {split} split (about one "
                "in ten does); give --image-dir a folder with more photos"
            )
        trial, name = trial_bytes(self.source, weights), self.source.model.path.name
        with contextlib.closing(open_model_bytes(trial, name, TRIAL)) as classifier:
            return score_photos(classifier, chosen, lambda p: with_progress(title, p))

    def _scored_drawn(self, weights: Mapping[int, Values]) -> Scores:
        trial, name = trial_bytes(self.source, weights), self.source.model.path.name
        pictures = self._unlike_pictures
        n = len(pictures)
        scores = np.zeros((n, len(self.source.model.labels)), np.float32)
        with contextlib.closing(open_model_bytes(trial, name, TRIAL)) as classifier:
            for i, picture in enumerate(pictures):
                for category in classifier.classify(Frame(picture, i, 0)).categories:
                    scores[i, category.index] = category.score
        exact = self._float_scores.get(DRAWN)
        truth = scores.argmax(axis=1) if exact is None else exact.truth
        nothing = np.zeros(n, np.int64)
        return Scores((), scores, truth, nothing, nothing, ())

    @cached_property
    def _unlike_pictures(self) -> NDArray[np.uint8]:
        side = max(self.source.model.input_size)
        return unlike_pictures(DRAWN_PICTURES, side, MEASURING_SEED)

    def _calibrated(self) -> tuple[Values, dict[int, Any]]:
        from pi_classifier_training.compression.rounding.calibration import sensitivities

        if self._calibration is None:
            source = self.source
            pixels = self._pixels()
            logits = source.model.activation == "none"
            sensitivity = sensitivities(source.graph, source.layers, pixels, logits=logits)
            self._calibration = pixels, sensitivity
        return self._calibration

    def _pixels(self) -> Values:
        """What layers are fitted with, as the graph takes it."""
        model = self.source.model
        height, width = model.input_size
        if height != width:
            raise DatasetError(
                f"{model.path}: its input is {width} × {height} pixels; --method compensated "
                "takes square ones only: use --method channel"
            )
        largest = max(t.elements for t in self.source.graph.tensors if not t.constant) * 4
        count = max(FEWEST_PHOTOS, min(CALIBRATION_PHOTOS, LARGEST_LAYER_BYTES // largest))
        pictures: PixelRows = (
            self._training_pixels(count)
            if self._image_dirs
            else drawn_pictures(count, height, FITTING_SEED)
        )
        stated = model.normalization or RAW_PIXELS
        return np.concatenate([normalized(picture, stated, model) for picture in pictures])

    def _training_pixels(self, count: int) -> PixelRows:
        """Training photos, evenly over the labels, as the preprocessor leaves them."""
        model, side = self.source.model, self.source.model.input_size[0]
        photos = [p for p in self._photos if p.split == "training"]
        labels = sorted({p.label for p in photos})
        per_label = math.ceil(count / max(1, len(labels)))
        drawn = evenly_over_labels([p.label for p in photos], per_label, seed=1) if photos else []
        preprocessor = Preprocessor((side, side), model.manifest.resize)
        images = decode([photos[i] for i in drawn[:count]], model.labels, preprocessor, side)
        if len(images) < FEWEST_PHOTOS:
            raise DatasetError(
                f"{len(images)} training photos of the model's labels can be read; rounding "
                f"needs at least {FEWEST_PHOTOS} (a hundred are better): give --image-dir the "
                "folder the model was trained on, or leave it out: then pictures are drawn"
            )
        return images.pixels


def figures_beside(float_scores: Scores, own: Scores) -> Figures:
    """Figures of a model's scores beside the float model's, of the same photos."""
    n = np.arange(len(own.truth))
    p, q = (np.maximum(s.scores.astype(np.float64), 1e-9) for s in (float_scores, own))
    given, before = own.scores.argmax(axis=1), float_scores.scores.argmax(axis=1)
    hits = [(labels == own.truth).astype(np.float64)[:, np.newaxis] for labels in (before, given)]
    return Figures(
        n=len(n),
        top1=float(np.mean(hits[1])),
        change=difference_interval(*hits),
        cross_entropy=cross_entropy(own.scores[n, own.truth]),
        agreement=float(np.mean(given == before)),
        divergence=float((p * np.log(p / q)).sum(axis=1).mean()),
    )
