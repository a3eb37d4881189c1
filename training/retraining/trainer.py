"""Training a whole network, from scratch or further, alone or as a teacher's student."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augmentation import augment, min_crop_area
from training.data.dataset import Images
from training.networks.network import Network, Taught, as_list
from training.progress import Progress

LABEL_SMOOTHING = 0.1
# Distillation (Hinton et al. 2015): the share of the teacher's soft scores in the loss
# and the temperature they are softened with.
TEACHER_SHARE = 0.7
TEACHER_TEMPERATURE = 2.0
WARM_UP_SHARE = 0.05
# Hints fade out over this share of the epochs: at the end the labels decide.
HINTED_SHARE = 0.8
VALIDATE_EVERY = 5
# Weights are averaged over about this share of all steps.
AVERAGED_SHARE = 0.05
LARGEST_DECAY = 0.998
LARGEST_NORM_DECAY = 0.99

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train the whole network: epochs, batch, learning rate, seed.

    `small_share` of the epochs run at `small_scale` of the resolution: a network sees
    more photos in the same time, and the last epochs settle at full size.
    """

    epochs: int = 60
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 1
    small_share: float = 0.0
    small_scale: float = 0.625


class WholeNetworkTrainer:
    """Trains every weight on augmented views, optionally as a teacher's student."""

    def __init__(
        self,
        network: Network,
        options: TrainingOptions,
        steps: int,
        teacher: Network | None = None,
        *,
        hinted: bool = True,
    ) -> None:
        import keras
        import tensorflow as tf

        self.network, self.teacher, self.options = network, teacher, options
        self.adapters = self._build_adapters() if hinted else []
        self.variables = [
            *network.variables,
            *(v for adapter in self.adapters for v in adapter.trainable_variables),
        ]
        warm_up = max(1, int(steps * WARM_UP_SHARE))
        decay = 1 - 1 / max(2.0, steps * AVERAGED_SHARE)
        for layer in network.backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # A short training must not end with the statistics it began with.
                layer.momentum = min(LARGEST_NORM_DECAY, decay)
        self.optimizer = keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                options.rate / 20,
                max(1, steps - warm_up),
                warmup_target=options.rate,
                warmup_steps=warm_up,
                alpha=0.002,
            ),
            weight_decay=options.weight_decay,
            global_clipnorm=5.0,
            use_ema=True,
            ema_momentum=min(LARGEST_DECAY, decay),
        )
        # Decay pulls on the weights of convolutions only, not on scales and offsets.
        self.optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self.optimizer.build(self.variables)
        self._step = tf.function(self._train_step)

    def _build_adapters(self) -> list[Any]:
        """1×1 projections from the student's feature maps to the teacher's (FitNets)."""
        if self.teacher is None:
            return []
        import keras

        ours = as_list(self.network.backbone.outputs)
        theirs = as_list(self.teacher.backbone.outputs)
        if len(ours) != len(theirs):  # different families: only the embeddings compare
            ours, theirs = ours[-1:], theirs[-1:]
        adapters = []
        for mine, target in zip(ours, theirs, strict=True):
            channels = int(target.shape[-1])
            adapter = keras.layers.Dense(channels, use_bias=False)
            adapter.build(mine.shape)
            adapters.append(adapter)
        return adapters

    def _train_step(
        self,
        squares: Any,
        aspects: Any,
        indices: Any,
        side: int,
        min_area: Any,
        hint_weight: Any,
    ) -> tuple[Any, Any]:
        import tensorflow as tf

        views = augment(squares, aspects, side, min_area)
        with tf.GradientTape() as tape:
            hints, embedding, logits = self.network(views, training=True)
            targets = tf.one_hot(indices, len(self.network.labels))
            smoothed = targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / targets.shape[1]
            loss = _cross_entropy(smoothed, logits)
            if self.teacher is not None:
                # Both see the same view at the same size: their feature maps align.
                taught = self.teacher(views, training=False)
                loss = (1 - TEACHER_SHARE) * loss + TEACHER_SHARE * _distilled(taught, logits)
                if self.adapters:
                    loss += hint_weight * self._hints_missed(taught, [*hints, embedding])
        gradients = tape.gradient(loss, self.variables)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        hits = tf.equal(tf.argmax(logits, axis=1), indices)
        return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

    def _hints_missed(self, taught: Taught, ours: list[Any]) -> Any:
        """How far the student's feature maps, projected, are from the teacher's."""
        hints, embedding, _ = taught
        count = len(self.adapters)
        theirs = [*hints, embedding][-count:]
        pairs = zip(self.adapters, ours[-count:], theirs, strict=True)
        return sum(_hint_loss(adapter(mine), target) for adapter, mine, target in pairs)

    def train(
        self, training: Images, validation: Images, *, log: Callable[[Row], None] | None = None
    ) -> list[Row]:
        """Run all epochs; return loss and accuracies per epoch, also passed to `log`.

        The weights end as the running average over the last steps, which validates
        better than the last step's own.
        """
        epochs = self.options.epochs
        rng = np.random.default_rng(self.options.seed)
        history: list[Row] = []
        with Progress("training", epochs * math.ceil(len(training) / self.options.batch)) as bar:
            for epoch in range(epochs):
                row = {"epoch": epoch + 1, **self._run_epoch(epoch, training, rng, bar)}
                last = epoch + 1 == epochs
                if last:
                    self.optimizer.finalize_variable_values(self.variables)
                if last or (epoch + 1) % VALIDATE_EVERY == 0:
                    row["validation_accuracy"] = accuracy_of(self.network, validation)
                history.append(row)
                if log is not None:
                    log(row)
        return history

    def _run_epoch(
        self, epoch: int, training: Images, rng: np.random.Generator, bar: Progress
    ) -> Row:
        import tensorflow as tf

        share = epoch / self.options.epochs
        hint_weight = tf.constant(max(0.0, 1.0 - share / HINTED_SHARE))
        min_area = tf.constant(min_crop_area(share))
        side = self._side(epoch)
        losses, accuracies = [], []
        for rows in _batches(rng, len(training), self.options.batch):
            loss, accuracy = self._step(
                tf.constant(training.pixels[rows]),
                tf.constant(training.aspects[rows]),
                tf.constant(training.indices[rows]),
                side,
                min_area,
                hint_weight,
            )
            losses.append(float(loss))
            accuracies.append(float(accuracy))
            bar.step(note=f"loss {losses[-1]:.3f}")
        return {"loss": float(np.mean(losses)), "accuracy": float(np.mean(accuracies))}

    def _side(self, epoch: int) -> int:
        full = self.network.spec.resolution
        if epoch >= self.options.epochs * self.options.small_share:
            return full
        # Feature maps halve five times: keep the side a multiple of 32.
        return max(32, round(full * self.options.small_scale / 32) * 32)


def _batches(rng: np.random.Generator, n: int, batch: int) -> Iterator[NDArray[np.intp]]:
    order = rng.permutation(n)
    for start in range(0, n, batch):
        # Sorted rows read a memory-mapped file front to back.
        yield np.sort(order[start : start + batch])


def _cross_entropy(targets: Any, logits: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def _distilled(taught: Taught, logits: Any) -> Any:
    """Cross-entropy with the teacher's softened scores, scaled as Hinton et al. do."""
    import tensorflow as tf

    scores = tf.nn.softmax(taught[2] / TEACHER_TEMPERATURE)
    softened = _cross_entropy(scores, logits / TEACHER_TEMPERATURE)
    return TEACHER_TEMPERATURE**2 * softened


def _hint_loss(ours: Any, theirs: Any) -> Any:
    """Mean squared difference, in units of the teacher's own variance."""
    import tensorflow as tf

    theirs = tf.stop_gradient(theirs)
    spread = tf.math.reduce_variance(theirs) + 1e-6
    return tf.reduce_mean(tf.square(ours - theirs)) / spread


def accuracy_of(network: Network, images: Images) -> float:
    """Top-1 accuracy of the Keras network, for watching training; a fraction."""
    import tensorflow as tf

    hits = 0
    for start in range(0, len(images), 64):
        batch = tf.constant(images.pixels[start : start + 64].astype(np.float32))
        _, _, logits = network(batch, training=False)
        hits += int(np.sum(logits.numpy().argmax(axis=1) == images.indices[start : start + 64]))
    return hits / max(1, len(images))
