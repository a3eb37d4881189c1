"""Training only a new head, from bottlenecks: seconds instead of hours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.setting import setting
from pi_classifier_training.features.bottlenecks import Bottlenecks
from pi_classifier_training.networks.network import Network
from pi_classifier_training.progress import Progress
from pi_classifier_training.retraining.epochs import (
    EarlyStopping,
    OnEpoch,
    Row,
    epoch_plan,
    epoch_rng,
    figures_of,
    reseed,
)
from pi_classifier_training.retraining.losses import smoothed

# Bottlenecks are read from the disk in portions of about this size.
_PORTION_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """How to train the head.

    `steps` of a batch each count instead of `epochs` where given. Training ends when
    validation has not got better for `patience` epochs (0: never).
    """

    epochs: int = setting(
        60, "epochs of training the head", minimum=1, option="--head-epochs", maximum=100_000
    )
    rate: float = setting(
        3e-3, "its learning rate", above=0, option="--head-rate", metavar="RATE", maximum=10
    )
    steps: int | None = None
    patience: int = 0


class HeadTrainer:
    """Trains a network's head on bottlenecks."""

    def __init__(
        self,
        network: Network,
        options: HeadOptions,
        batch: int,
        seed: int,
        label_weights: NDArray[np.float32],
    ) -> None:
        import keras
        import tensorflow as tf

        self.network, self.options, self.batch, self.seed = network, options, batch, seed
        self.label_weights = tf.constant(label_weights)
        self.optimizer = keras.optimizers.Adam(options.rate)
        self.optimizer.build(network.head.trainable_variables)
        self._portion = tf.function(self._train_portion, reduce_retracing=True)

    def train(
        self,
        training: Bottlenecks,
        validation: Bottlenecks,
        on_epoch: OnEpoch,
    ) -> list[Row]:
        """Run the epochs; return a row for each, also passed to `on_epoch`.

        With `patience` the weights of the best validated epoch are kept.
        """
        steps_an_epoch = math.ceil(len(training) / self.batch)
        epochs, steps = epoch_plan(self.options.epochs, self.options.steps, steps_an_epoch)
        early_stopping = EarlyStopping(self.options.patience)
        history: list[Row] = []
        with Progress("head", epochs) as bar:
            for epoch in range(1, epochs + 1):
                left = steps - (epoch - 1) * steps_an_epoch
                row = self._epoch(epoch, training, min(left, steps_an_epoch))
                row |= self._validated(validation)
                history.append(row)
                on_epoch(row)
                bar.step(note=f"{100 * row['validation_accuracy']:.1f} % right in validation")
                early_stopping.update(row, self.network.head.get_weights)
                if early_stopping.ended:
                    break
        if early_stopping.best is not None:
            self.network.head.set_weights(early_stopping.best)
        return history

    def _epoch(self, epoch: int, training: Bottlenecks, steps: int) -> Row:
        reseed([self.network.head], self.seed, epoch)
        order = epoch_rng(self.seed, epoch).permutation(len(training))[: steps * self.batch]
        width = training.tables[0].shape[1]
        portion = max(1, _PORTION_BYTES // (4 * width * self.batch)) * self.batch
        sums = np.zeros(3)
        for start in range(0, len(order), portion):
            samples = order[start : start + portion]
            sums += self._portion(training.gather(samples), training.labels_of(samples)).numpy()
        loss, entropy, hits = (sums / len(order)).tolist()
        return {
            "epoch": epoch,
            "phase": "head",
            "loss": loss,
            "cross_entropy": entropy,
            "accuracy": hits,
            "learning_rate": self.options.rate,
        }

    def _train_portion(self, features: Any, indices: Any) -> Any:
        """One step a batch; the sums of loss, cross-entropy and hits over all samples."""
        import tensorflow as tf

        sums = tf.zeros(3)
        for start in tf.range(0, tf.shape(indices)[0], self.batch):
            batch = features[start : start + self.batch]
            sums += self._step(batch, indices[start : start + self.batch])
        return sums

    def _step(self, features: Any, indices: Any) -> Any:
        import tensorflow as tf

        variables = self.network.head.trainable_variables
        targets = tf.one_hot(indices, len(self.network.labels))
        # A head that is too sure of itself would tear at the features in fine-tuning.
        softened = smoothed(targets)
        weights = tf.gather(self.label_weights, indices)
        with tf.GradientTape() as tape:
            logits = self.network.head(features, training=True)
            losses = weights * tf.nn.softmax_cross_entropy_with_logits(softened, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        entropies = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        hits = tf.cast(tf.equal(tf.argmax(logits, axis=1), indices), tf.float32)
        return tf.stack([tf.reduce_sum(values) for values in (losses, entropies, hits)])

    def _validated(self, validation: Bottlenecks) -> Row:
        samples = np.arange(len(validation))
        logits = [
            self.network.head(validation.gather(samples[start : start + 4096])).numpy()
            for start in range(0, len(samples), 4096)
        ]
        return figures_of(np.concatenate(logits), validation.indices)
