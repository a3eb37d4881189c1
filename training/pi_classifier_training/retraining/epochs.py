"""What all kinds of training share: epochs, their figures, their random numbers, their end.

Every epoch draws its random numbers from the seed and its own number alone, so a run
that goes on after a kill sees what an undisturbed one would have seen.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.data.dataset import Images
from pi_classifier_training.networks.network import Network

Row = dict[str, Any]
"""One epoch: epoch (from 1 in each phase), phase, loss, cross_entropy, accuracy,
learning_rate, and where validated validation_accuracy and validation_cross_entropy; ``kept``
where the weights are those that the run ended with."""
OnEpoch = Callable[[Row], None]

# From this ratio between the largest and the smallest label on, labels are weighted.
BALANCED_RATIO = 1.5
VALIDATED_BATCH = 16


def epoch_rng(seed: int, epoch: int) -> np.random.Generator:
    """Random numbers of one epoch."""
    return np.random.default_rng((seed, epoch))


def batches(rng: np.random.Generator, n: int, batch: int) -> Iterator[NDArray[np.intp]]:
    """All of `n` rows once in random order, `batch` at a time."""
    order = rng.permutation(n)
    for start in range(0, n, batch):
        # Sorted rows read the photos' file front to back.
        yield np.sort(order[start : start + batch])


def reseed(models: Iterable[Any], seed: int, epoch: int) -> None:
    """Set the state of all random layers (dropout) from the seed and the epoch."""
    for model in models:
        for number, layer in enumerate(model.layers):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                digest = hashlib.sha256(f"{seed} {epoch} {number}".encode()).digest()
                generator.state.assign(np.frombuffer(digest[:8], "<u4"))


def figures_of(logits: NDArray[np.float32], indices: NDArray[np.int64]) -> Row:
    """Accuracy (a fraction) and cross-entropy (nats) on the validation photos."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(indices)), indices]
    entropies = np.log(np.exp(shifted).sum(axis=1)) - own
    return {
        "validation_accuracy": float(np.mean(logits.argmax(axis=1) == indices)),
        "validation_cross_entropy": float(entropies.mean()),
    }


def label_weights(
    indices: NDArray[np.int64], labels: int, mode: str, silent: Collection[int] = ()
) -> NDArray[np.float32]:
    """The weight of each label in the loss, float32 ``[labels]``; over photos their mean is 1.

    With `mode` ``auto`` rare labels weigh more, as the square root of 1 / n of the label, where
    the largest label has more than 1.5 times the photos of the smallest; else all weigh 1.
    A `silent` label weighs in all no more than the others do on average, however many photos
    of nothing there are.
    """
    counts = np.bincount(indices, minlength=labels)
    if mode != "auto" or counts.max() <= BALANCED_RATIO * counts.min():
        return np.ones(labels, np.float32)
    # Full weights would let the few photos of a rare label outvote the many of a common one.
    weights = 1 / np.sqrt(np.maximum(counts, 1))
    totals = weights * counts
    named = [label for label in range(labels) if label not in silent]
    for label in silent:
        weights[label] *= min(1.0, totals[named].mean() / max(totals[label], 1.0))
    return np.asarray(weights * (len(indices) / (weights * counts).sum()), np.float32)


@dataclass(slots=True)
class EarlyStopping:
    """Ends training when validation has not got better for `patience` epochs; 0 never does.

    Better is a lower cross-entropy, which says more than accuracy on few photos. `best`
    are the weights of the best epoch.
    """

    patience: int
    best: list[NDArray[Any]] | None = None
    best_entropy: float = math.inf
    waited: int = 0

    @property
    def ended(self) -> bool:
        """Whether it is time to stop."""
        return 0 < self.patience <= self.waited

    def update(self, row: Row, weights: Callable[[], list[NDArray[Any]]]) -> None:
        """Take note of a validated epoch."""
        if not self.patience:
            return
        if row["validation_cross_entropy"] < self.best_entropy:
            self.best_entropy, self.waited = row["validation_cross_entropy"], 0
            self.best = weights()
        else:
            self.waited += 1

    def as_dict(self) -> dict[str, Any]:
        """What has to be kept, beside `best`, to go on later."""
        entropy = None if math.isinf(self.best_entropy) else self.best_entropy
        return {"best_entropy": entropy, "waited": self.waited}

    def restore(self, saved: dict[str, Any], best: list[NDArray[Any]] | None) -> None:
        """Go on where `as_dict` was taken."""
        entropy = saved["best_entropy"]
        self.best_entropy = math.inf if entropy is None else entropy
        self.waited, self.best = saved["waited"], best


def best_of(history: Sequence[Row]) -> Row:
    """The first epoch whose validation was best, as `EarlyStopping` judges."""
    entropies = [row["validation_cross_entropy"] for row in history]
    return history[int(np.argmin(np.nan_to_num(entropies, nan=math.inf)))]


def epoch_plan(epochs: int, steps: int | None, steps_an_epoch: int) -> tuple[int, int]:
    """Epochs and steps to run; `steps`, where given, counts instead of `epochs`."""
    if steps is None:
        return epochs, epochs * steps_an_epoch
    return math.ceil(steps / steps_an_epoch), steps


def logits_on(network: Network, images: Images) -> NDArray[np.float32]:
    """What a Keras network says of photos, logits float32 ``[n, labels]``."""
    # Keras keeps what all layers make of a batch: of 64 photos more than training needs.
    batches = (
        images.pixels[start : start + VALIDATED_BATCH].astype(np.float32)
        for start in range(0, len(images), VALIDATED_BATCH)
    )
    return np.concatenate([network(batch, training=False)[2].numpy() for batch in batches])
