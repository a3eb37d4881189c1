"""Training a whole network, from scratch or further, alone or as a teacher's student."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.data.augmentation import augment, draw_views, min_crop_area
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.networks.network import Network
from pi_classifier_training.progress import Progress
from pi_classifier_training.retraining.checkpoint import Checkpoint
from pi_classifier_training.retraining.epochs import (
    EarlyStopping,
    OnEpoch,
    Row,
    best_of,
    epoch_plan,
    epoch_rng,
    figures_of,
    reseed,
)
from pi_classifier_training.retraining.losses import (
    TEMPERATURE,
    cross_entropy,
    distilled,
    hint_adapters,
    hints_missed,
    smoothed,
)
from pi_classifier_training.retraining.options import SCRATCH_RATE, TrainingOptions
from pi_classifier_training.retraining.teacher_targets import TeacherTargets

# Distillation (Hinton et al. 2015): the share of the teachers' soft scores in the loss.
TEACHER_SHARE = 0.7
WARM_UP_SHARE = 0.05
# Hints fade out over this share of the epochs: at the end the labels decide.
HINTED_SHARE = 0.8
# Weights are averaged over about this share of all steps.
AVERAGED_SHARE = 0.05
LARGEST_DECAY = 0.998
LARGEST_NORM_DECAY = 0.99

Enough = Callable[[], bool]
"""Whether training has lasted long enough, asked after every step."""


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
        teacher_targets: TeacherTargets | None = None,
        label_weights: NDArray[np.float32] | None = None,
        phase: str = "training",
    ) -> None:
        import keras
        import tensorflow as tf

        self.network, self.teacher, self.options = network, teacher, options
        self.teacher_targets = teacher_targets
        self.phase, self.epochs = phase, options.epochs
        if label_weights is None:
            label_weights = np.ones(len(network.labels), np.float32)
        self.label_weights = tf.constant(label_weights)
        self.adapters = hint_adapters(network, teacher) if hinted and teacher is not None else []
        self.variables = [
            *network.variables,
            *(v for adapter in self.adapters for v in adapter.trainable_variables),
        ]
        decay = 1 - 1 / max(2.0, steps * AVERAGED_SHARE)
        for layer in network.backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # A short training must not end with the statistics it began with.
                layer.momentum = min(LARGEST_NORM_DECAY, decay)
        self.optimizer = _optimizer(options, steps, decay)
        self.optimizer.build(self.variables)
        self._step = tf.function(self._train_step)

    def _train_step(
        self,
        squares: Any,
        aspects: Any,
        indices: Any,
        draws: Any,
        teacher_scores: Any,
        side: int,
        min_area: Any,
        hint_weight: Any,
    ) -> Any:
        import tensorflow as tf

        views = augment(squares, aspects, draws, side, min_area)
        with tf.GradientTape() as tape:
            outputs = self.network(views, training=True)
            logits = outputs[2]
            targets = tf.one_hot(indices, len(self.network.labels))
            weights = tf.gather(self.label_weights, indices)
            loss = cross_entropy(smoothed(targets), logits, weights)
            if self.teacher_targets is not None:
                loss = (1 - TEACHER_SHARE) * loss + TEACHER_SHARE * distilled(
                    teacher_scores, logits
                )
            elif self.teacher is not None:
                # Both see the same view at the same size: their feature maps align.
                taught = self.teacher(views, training=False)
                scores = tf.nn.softmax(taught[2] / TEMPERATURE)
                loss = (1 - TEACHER_SHARE) * loss + TEACHER_SHARE * distilled(scores, logits)
                if self.adapters:
                    loss += hint_weight * hints_missed(self.adapters, outputs, taught)
        gradients = tape.gradient(loss, self.variables)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        hits = tf.equal(tf.argmax(logits, axis=1), indices)
        accuracy = tf.reduce_mean(tf.cast(hits, tf.float32))
        return tf.stack([loss, cross_entropy(targets, logits), accuracy])

    def train(
        self,
        training: Images,
        validation: Images,
        *,
        on_epoch: OnEpoch = lambda _: None,
        checkpoint: Checkpoint | None = None,
        enough: Enough = lambda: False,
    ) -> list[Row]:
        """Run all epochs; return a row for each, also passed to `on_epoch`.

        The weights end as the running average over the last steps, which validates
        better than the last step's own; with `patience` as that of the best validated
        epoch. The row of that epoch is marked ``kept``. With a `checkpoint` training goes on
        where an earlier one was ended. It ends early, within an epoch, once `enough` says so.
        """
        steps_an_epoch = math.ceil(len(training) / self.options.batch)
        self.epochs, steps = epoch_plan(self.options.epochs, self.options.steps, steps_an_epoch)
        early_stopping = EarlyStopping(self.options.patience)
        history = self._resume(checkpoint, early_stopping)
        for row in history:
            on_epoch(row)
        with Progress(self.phase, steps, sum(row["steps"] for row in history)) as bar:
            while len(history) < self.epochs and not early_stopping.ended and not enough():
                left = steps - len(history) * steps_an_epoch
                count = min(left, steps_an_epoch)
                row = self._run_epoch(len(history), training, count, bar, enough)
                with self._averaged():
                    row |= validate(self.network, validation)
                    early_stopping.update(row, self.network.get_weights)
                history.append(row)
                if checkpoint is not None:
                    self._save(checkpoint, early_stopping, history)
                on_epoch(row)
        self.optimizer.finalize_variable_values(self.variables)
        if early_stopping.best is not None:
            self.network.set_weights(early_stopping.best)
        _mark_kept(history, best=early_stopping.best is not None)
        return history

    def _run_epoch(
        self, epoch: int, training: Images, steps: int, bar: Progress, enough: Enough
    ) -> Row:
        import tensorflow as tf

        started, options = time.monotonic(), self.options
        hint_weight = tf.constant(max(0.0, 1.0 - epoch / self.epochs / HINTED_SHARE))
        view, area = self._view(epoch)
        min_area, side = tf.constant(area), self._side(epoch)
        draws = draw_views(len(training), options.seed, view)
        teacher_scores = np.zeros((len(training), 1), np.float32)
        if self.teacher_targets is not None:
            teacher_scores = self.teacher_targets.scores(view, area)
        reseed([self.network.backbone, self.network.head], options.seed, epoch)
        batches = _batches(epoch_rng(options.seed, epoch), len(training), options.batch)
        sums, photos = np.zeros(3), 0
        for rows in itertools.islice(batches, steps):
            figures = self._step(
                *_tensors(training, rows),
                tf.constant(draws[rows]),
                tf.constant(teacher_scores[rows]),
                side,
                min_area,
                hint_weight,
            ).numpy()
            sums, photos = sums + figures * len(rows), photos + len(rows)
            bar.step(note=f"epoch {epoch + 1} of {self.epochs}, loss {figures[0]:.3f}")
            if enough():
                break
        loss, entropy, accuracy = (sums / photos).tolist()
        return {
            "epoch": epoch + 1,
            "phase": self.phase,
            "steps": steps,
            "loss": loss,
            "cross_entropy": entropy,
            "accuracy": accuracy,
            "learning_rate": float(self.optimizer.learning_rate),
            "seconds": round(time.monotonic() - started, 2),
        }

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Let the network have its averaged weights for a while."""
        own = [variable.numpy() for variable in self.variables]
        self.optimizer.finalize_variable_values(self.variables)
        try:
            yield
        finally:
            for variable, value in zip(self.variables, own, strict=True):
                variable.assign(value)

    def _save(
        self, checkpoint: Checkpoint, early_stopping: EarlyStopping, history: list[Row]
    ) -> None:
        extra = [v for adapter in self.adapters for v in adapter.variables]
        arrays = {
            "weights": self.network.get_weights(),
            "optimizer": [v.numpy() for v in [*self.optimizer.variables, *extra]],
            "best": early_stopping.best or [],
        }
        checkpoint.save(arrays, {"history": history, "stopper": early_stopping.as_dict()})

    def _resume(self, checkpoint: Checkpoint | None, early_stopping: EarlyStopping) -> list[Row]:
        """Take over what an earlier, ended training left; return its history."""
        saved = None if checkpoint is None else checkpoint.load()
        if saved is None:
            return []
        extra = [v for adapter in self.adapters for v in adapter.variables]
        self.network.set_weights(saved.arrays["weights"])
        variables = [*self.optimizer.variables, *extra]
        for variable, value in zip(variables, saved.arrays["optimizer"], strict=True):
            variable.assign(value)
        early_stopping.restore(saved.state["stopper"], saved.arrays["best"] or None)
        history: list[Row] = saved.state["history"]
        return history

    def _view(self, epoch: int) -> tuple[int, float]:
        """Which view of each photo an epoch shows, and the least area it is cut from."""
        views = self.options.views or self.epochs
        return epoch % views, min_crop_area(epoch % views / views)

    def _side(self, epoch: int) -> int:
        full = self.network.spec.resolution
        if epoch >= self.epochs * self.options.small_share:
            return full
        # Feature maps halve five times: keep the side a multiple of 32.
        return max(32, round(full * self.options.small_scale / 32) * 32)


def _mark_kept(history: list[Row], *, best: bool) -> None:
    """Mark the epoch whose weights are kept: the best one, or the last."""
    if history:
        kept = best_of(history) if best else history[-1]
        kept["kept"] = True


def _optimizer(options: TrainingOptions, steps: int, decay: float) -> Any:
    """Adam with a warm-up, a rate that falls as a cosine, and averaged weights."""
    import keras

    rate = SCRATCH_RATE if options.rate is None else options.rate
    warm_up = max(1, int(steps * WARM_UP_SHARE))
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            rate / 20,
            max(1, steps - warm_up),
            warmup_target=rate,
            warmup_steps=warm_up,
            alpha=0.002,
        ),
        weight_decay=options.weight_decay,
        global_clipnorm=5.0,
        use_ema=True,
        ema_momentum=min(LARGEST_DECAY, decay),
    )
    # Decay pulls on the weights of convolutions only, not on scales and offsets.
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def _tensors(images: Images, rows: NDArray[np.intp]) -> tuple[Any, Any, Any]:
    """Pixels, aspects and label indices of some photos."""
    import tensorflow as tf

    columns = (images.pixels, images.aspects, images.indices)
    pixels, aspects, indices = (tf.constant(column[rows]) for column in columns)
    return pixels, aspects, indices


def _batches(rng: np.random.Generator, n: int, batch: int) -> Iterator[NDArray[np.intp]]:
    order = rng.permutation(n)
    for start in range(0, n, batch):
        # Sorted rows read a memory-mapped file front to back.
        yield np.sort(order[start : start + batch])


def validate(network: Network, images: Images) -> Row:
    """Accuracy and cross-entropy of the Keras network, for watching training."""
    import tensorflow as tf

    logits = [
        network(tf.constant(images.pixels[start : start + 64], tf.float32), training=False)[2]
        for start in range(0, len(images), 64)
    ]
    return figures_of(np.concatenate([batch.numpy() for batch in logits]), images.indices)
