"""Quantization-aware training: weights and ranges learn to live with 8 bits.

The folded float graph is trained on with every weight and result rounded as the
full-integer file will round them; gradients pass the rounding as if it were not there
(straight-through, Bengio et al. 2013; ranges as in PACT, Choi et al. 2018). The teacher is the
float network itself, on augmented views of the training photos.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pi_classifier.setting import LARGEST_SEED, setting
from pi_classifier_training.compression.simulation import Simulation, logits_of
from pi_classifier_training.conversion.full_integer import FullInteger
from pi_classifier_training.data.augmentation import LAST_MIN_CROP_AREA, VIEW_NUMBERS, augment
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.data.stored_pixels import PixelRows
from pi_classifier_training.progress import Progress

# Soft scores say more of what the float network knows (Hinton et al. 2015).
TEMPERATURE = 2.0
# Photos whose layers are in memory at a time. A step adds up what such parts of its photos
# say: the folded graph has no batch norms, so that this is what all of them say together.
PART = 8


@dataclass(frozen=True, slots=True)
class AwareOptions:
    """How to train: epochs over the training photos, learning rate, photos a step, seed.

    `per_label` draws some photos of every label, always the same ones.

    A step moves a bias by up to `rate`, a weight by up to a twentieth of `rate` times its
    channel's largest.
    """

    epochs: int = setting(1, "epochs of --mode qat", minimum=1, maximum=100_000)
    rate: float = setting(1e-4, "learning rate of qat", above=0, metavar="RATE", maximum=10)
    batch: int = setting(32, "photos a step of qat", minimum=1, maximum=65_536)
    seed: int = setting(1, "other random numbers for qat", minimum=0, maximum=LARGEST_SEED)
    per_label: int | None = setting(
        None, "train qat on at most so many photos of a label (default: all)", minimum=1,
        option="--most",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Aware:
    """The trained result, and the validation loss before training and after each epoch.

    The loss is the divergence from the float network's scores; `chosen` is the
    epoch with the least, 0 being the untrained start.
    """

    result: FullInteger
    losses: tuple[float, ...]
    chosen: int
    options: AwareOptions

    def as_dict(self) -> dict[str, Any]:
        """What was done, as JSON has it."""
        return {
            "options": asdict(self.options),
            "validation_losses": [round(loss, 6) for loss in self.losses],
            "chosen_epoch": self.chosen,
        }


def train_aware(
    start: FullInteger,
    squares: Images,
    validation: PixelRows,
    options: AwareOptions,
) -> Aware:
    """Train on with simulated rounding; return the best epoch by validation loss.

    `squares` are training photos squeezed into squares larger than the input, as
    augmentation takes them; `validation` is uint8 ``[n, side, side, 3]``.
    """
    import tensorflow as tf

    simulation = Simulation(start)
    steps = options.epochs * math.ceil(len(squares) / options.batch)
    step = _training_step(simulation, options, steps)
    check = tf.function(lambda images: _loss(simulation, images))
    losses, results = [_validated(check, validation)], [start]
    rng = np.random.default_rng(options.seed)
    with Progress("quantization-aware training", steps) as bar:
        for _ in range(options.epochs):
            order = rng.permutation(len(squares))
            for first in range(0, len(squares), options.batch):
                # Sorted rows read the file front to back.
                rows = np.sort(order[first : first + options.batch])
                loss = step(
                    tf.constant(squares.pixels[rows]),
                    tf.constant(squares.aspects[rows]),
                    tf.constant(rng.integers(0, 2**31, 2, np.int32)),
                )
                bar.step(note=f"loss {loss:.3f}")
            results.append(simulation.result())
            losses.append(_validated(check, validation))
    chosen = int(np.argmin(losses))
    return Aware(results[chosen], tuple(losses), chosen, options)


def _training_step(
    simulation: Simulation, options: AwareOptions, steps: int
) -> Callable[[Any, Any, Any], float]:
    """A function that trains on squares, aspects and a seed, and returns the loss."""
    import tensorflow as tf

    side = simulation.graph.tensors[simulation.graph.inputs[0]].shape[1]
    groups = simulation.variable_groups()
    optimizers = _optimizers(groups, options, steps)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def learned(squares: Any, aspects: Any, draws: Any, share: Any) -> Any:
        views = augment(squares, aspects, draws, side, LAST_MIN_CROP_AREA)
        with tf.GradientTape() as tape:
            loss = share * _loss(simulation, views)
        variables = [variables for variables, _ in groups]
        return loss, tape.gradient(loss, variables, unconnected_gradients="zero")

    @tf.function  # type: ignore[untyped-decorator]
    def update(gradients: Any) -> None:
        for optimizer, (variables, _), own in zip(optimizers, groups, gradients, strict=True):
            optimizer.apply_gradients(zip(own, variables, strict=True))

    def step(squares: Any, aspects: Any, seed: Any) -> float:
        count = len(squares)
        draws = tf.random.stateless_uniform([count, VIEW_NUMBERS], seed)
        summed: Any = None
        for first in range(0, count, PART):
            rows = slice(first, min(first + PART, count))
            share = tf.constant((rows.stop - first) / count, tf.float32)
            own = learned(squares[rows], aspects[rows], draws[rows], share)
            summed = own if summed is None else tf.nest.map_structure(tf.add, summed, own)
        loss, gradients = summed
        update(gradients)
        return float(loss)

    return step


def _optimizers(
    groups: Sequence[tuple[list[Any], float]], options: AwareOptions, steps: int
) -> list[Any]:
    """One for each group of variables, with its share of the learning rate."""
    import keras

    optimizers = []
    for variables, factor in groups:
        schedule = keras.optimizers.schedules.CosineDecay(
            options.rate * factor, max(1, steps), alpha=0.01
        )
        optimizers.append(keras.optimizers.Adam(schedule, global_clipnorm=1.0))
        optimizers[-1].build(variables)
    return optimizers


def _loss(simulation: Simulation, images: Any) -> Any:
    """How far the scores are from the float network's (Kullback-Leibler, softened)."""
    import tensorflow as tf

    graph = simulation.graph
    taught = logits_of(graph, images, lambda i: graph.tensors[i].values()) / TEMPERATURE
    scores = tf.nn.softmax(taught)
    logits = simulation.logits(images) / TEMPERATURE
    missed = tf.reduce_sum(
        scores * (tf.nn.log_softmax(taught) - tf.nn.log_softmax(logits)), axis=1
    )
    return TEMPERATURE**2 * tf.reduce_mean(missed)


def _validated(check: Any, photos: PixelRows) -> float:
    total = 0.0
    for first in range(0, len(photos), PART):
        batch = photos[first : first + PART].astype(np.float32)
        total += float(check(batch)) * len(batch)
    return total / len(photos)
