"""What a network makes of photos: in whole batches, by this process or by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.preprocessing.preprocessor import Preprocessor, Resize
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.features.row_store import Keys
from pi_classifier_training.networks.network import Network, as_list

BATCH = 32
Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""A whole batch of pixels to its features."""

Computed = tuple[NDArray[np.int64], list[NDArray[np.float32]]]
"""Photo numbers, int64 ``[n]``, and the features of each view, float32 ``[n, channels]``."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Features to be computed: of the photos numbered `todo`, `views` of each.

    `keys` are the SHA-256 of the photos' files. What cannot be read goes into `failed`,
    by number, with the reason.
    """

    network: Network
    resize: Resize
    photos: Sequence[Photo]
    keys: Keys
    todo: NDArray[np.int64]
    views: int
    failed: dict[int, str] = field(default_factory=dict)

    def batches(self) -> list[NDArray[np.int64]]:
        """The numbers of the photos, as they are computed together."""
        return [self.todo[start : start + BATCH] for start in range(0, len(self.todo), BATCH)]


Compute = Callable[[Work], Iterator[Computed]]
"""Computes features, batch by batch in any order."""


class ComputedHere:
    """Features computed by this process."""

    def __init__(self) -> None:
        self._compiled: tuple[Network, Embed] | None = None

    def __call__(self, work: Work) -> Iterator[Computed]:
        """Yield batch by batch; one thread reads photos ahead while the network computes."""
        embed = self._embed(work.network)
        preprocessor = Preprocessor((work.network.spec.resolution,) * 2, work.resize)

        def read(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
            return read_batch(
                numbers, lambda n: load_image(work.photos[n].path), preprocessor, work.failed
            )

        batches = work.batches()
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(read, batch) for batch in batches[:1]]
            for following in range(1, len(batches) + 1):
                kept, pixels = ahead.pop().result()
                ahead += [pool.submit(read, batch) for batch in batches[following : following + 1]]
                yield kept, views_of(embed, pixels, len(kept), work.views)

    def _embed(self, network: Network) -> Embed:
        """The compiled network; training and validation photos share it."""
        if self._compiled is None or self._compiled[0] is not network:
            self._compiled = network, embedding(network)
        return self._compiled[1]


def read_batch(
    numbers: NDArray[np.int64],
    load: Callable[[int], NDArray[np.uint8]],
    preprocessor: Preprocessor,
    failed: dict[int, str],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The photos of a batch that can be read, and their pixels, uint8 ``[BATCH, S, S, 3]``.

    `load` reads the photo of a number, or raises ImageError.
    """
    # Always a whole batch: a photo's features must not depend on how many came along.
    pixels = np.zeros((BATCH, *preprocessor.size, 3), np.uint8)
    kept: list[int] = []
    for number in numbers.tolist():
        try:
            pixels[len(kept)] = preprocessor(load(number))
        except ImageError as error:
            failed[number] = str(error)
        else:
            kept.append(number)
    return np.array(kept, np.int64), pixels


def views_of(
    embed: Embed, pixels: NDArray[np.uint8], kept: int, views: int
) -> list[NDArray[np.float32]]:
    """Features of the first `kept` photos of a batch: as they are, then mirrored."""
    shown = (pixels, pixels[:, :, ::-1])[:views]
    return [embed(view)[:kept] for view in shown]


def embedding(network: Network) -> Embed:
    """The network without its head, compiled."""
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator]
    def embed(pixels: Any) -> Any:
        return as_list(network.backbone(tf.cast(pixels, tf.float32), training=False))[-1]

    def embedded(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = embed(tf.constant(pixels)).numpy()
        return features

    return embedded
