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

from pi_classifier_training.data.augmentation import (
    augment,
    draw_mixture,
    draw_views,
    min_crop_area,
    mixed,
)
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.data.stored_pixels import PixelRows
from pi_classifier_training.networks.network import Network, Outputs
from pi_classifier_training.progress import Progress
from pi_classifier_training.retraining.checkpoint import Checkpoint
from pi_classifier_training.retraining.epochs import (
    EarlyStopping,
    OnEpoch,
    Row,
    batches,
    best_of,
    epoch_plan,
    epoch_rng,
    figures_of,
    logits_on,
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
        mixture: tuple[Any, Any] | None,
    ) -> Any:
        import tensorflow as tf

        views = augment(squares, aspects, draws, side, min_area)
        targets = tf.one_hot(indices, len(self.network.labels))
        weights = tf.gather(self.label_weights, indices)
        if mixture is not None:
            views, targets, weights, teacher_scores = (
                mixed(values, *mixture) for values in (views, targets, weights, teacher_scores)
            )
        with tf.GradientTape() as tape:
            outputs = self.network(views, training=True)
            logits = outputs[2]
            loss = cross_entropy(smoothed(targets), logits, weights)
            loss = self._taught(loss, views, outputs, teacher_scores, hint_weight)
        gradients = tape.gradient(loss, self.variables)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        hits = tf.cast(tf.equal(tf.argmax(logits, axis=1), indices), tf.float32)
        return tf.stack([loss, cross_entropy(targets, logits), tf.reduce_mean(hits)])

    def _taught(
        self, loss: Any, views: Any, outputs: Outputs, teacher_scores: Any, hint_weight: Any
    ) -> Any:
        """The loss, with what teachers say of the same views where there are any."""
        import tensorflow as tf

        hints = 0.0
        if self.teacher_targets is None:
            if self.teacher is None:
                return loss
            # Both see the same view at the same size: their feature maps align.
            taught = self.teacher(views, training=False)
            teacher_scores = tf.nn.softmax(taught[2] / TEMPERATURE)
            if self.adapters:
                hints = hint_weight * hints_missed(self.adapters, outputs, taught)
        distillation = distilled(teacher_scores, outputs[2])
        return (1 - TEACHER_SHARE) * loss + TEACHER_SHARE * distillation + hints

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
        columns = self._columns(training, view, area)
        reseed([self.network.backbone, self.network.head], options.seed, epoch)
        mixing = np.random.default_rng((options.seed, epoch, 1))
        shuffled = batches(epoch_rng(options.seed, epoch), len(training), options.batch)
        sums, photos = np.zeros(3), 0
        for rows in itertools.islice(shuffled, steps):
            figures = self._step(
                *(tf.constant(column[rows]) for column in columns),
                self._side(epoch),
                tf.constant(area),
                hint_weight,
                draw_mixture(mixing, len(rows), options.mixup),
            ).numpy()
            sums, photos = sums + figures * len(rows), photos + len(rows)
            bar.step(note=f"epoch {epoch + 1} of {self.epochs}, loss {figures[0]:.3f}")
            if enough():
                break
        means = (sums / photos).tolist()
        return {
            "epoch": epoch + 1,
            "phase": self.phase,
            "steps": steps,
            **dict(zip(("loss", "cross_entropy", "accuracy"), means, strict=True)),
            "learning_rate": float(self.optimizer.learning_rate),
            "seconds": round(time.monotonic() - started, 2),
        }

    def _columns(
        self, training: Images, view: int, area: float
    ) -> tuple[PixelRows | NDArray[Any], ...]:
        """What a step needs to know of each photo: what it is, and how it is shown."""
        draws = draw_views(len(training), self.options.seed, view)
        teacher_scores = np.zeros((len(training), 1), np.float32)
        if self.teacher_targets is not None:
            teacher_scores = self.teacher_targets.scores(view, area)
        return training.pixels, training.aspects, training.indices, draws, teacher_scores

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


def validate(network: Network, images: Images) -> Row:
    """Accuracy and cross-entropy of the Keras network, for watching training."""
    return figures_of(logits_on(network, images), images.indices)
