"""Training only a new head, on features computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Images
from training.networks.network import Network, as_list
from training.progress import Progress

HEAD_EPOCHS = 60
HEAD_RATE = 3e-3
LABEL_SMOOTHING = 0.1


def train_head(
    network: Network, training: Images, validation: Images, batch: int, seed: int
) -> float:
    """Train only the head, on features computed once; return the validation accuracy.

    The features of the untouched network (bottlenecks) are computed once for every
    photo and its mirror image; the head then learns from them in seconds.
    """
    import keras

    features = _bottlenecks(network, training, "bottlenecks")
    mirrored = _bottlenecks(network, training, "bottlenecks, mirrored", mirror=True)
    checks = _bottlenecks(network, validation, "bottlenecks, validation")
    keras.utils.set_random_seed(seed)
    inputs = np.concatenate([features, mirrored])
    targets = np.eye(len(network.labels), dtype=np.float32)[np.tile(training.indices, 2)]
    network.head.compile(
        optimizer=keras.optimizers.Adam(HEAD_RATE),
        # A head that is too sure of itself would tear at the features in fine-tuning.
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=LABEL_SMOOTHING
        ),
    )
    rows = Progress("head", HEAD_EPOCHS)
    with rows:
        for _ in range(HEAD_EPOCHS):
            network.head.fit(inputs, targets, batch_size=batch, verbose=0)
            rows.step()
    logits = network.head.predict(checks, verbose=0)
    return float(np.mean(logits.argmax(axis=1) == validation.indices))


def _bottlenecks(
    network: Network, images: Images, title: str, *, mirror: bool = False
) -> NDArray[np.float32]:
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator]
    def embed(batch: Any) -> Any:
        return as_list(network.backbone(batch, training=False))[-1]

    rows: list[NDArray[np.float32]] = []
    with Progress(title, len(images)) as progress:
        for start in range(0, len(images), 32):
            batch = images.pixels[start : start + 32].astype(np.float32)
            rows.append(embed(batch[:, :, ::-1] if mirror else batch).numpy())
            progress.step(len(batch))
    return np.concatenate(rows)
