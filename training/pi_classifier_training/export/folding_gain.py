"""What folding batch norms brings: a network converted as it stands, and as exported.

Both files run through the daemon's own classifier on the same photos, in turns.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.inference.classifier import ModelClassifier, open_model_bytes
from pi_classifier.modelfile.model_graph import read_model_graph
from pi_classifier.setting import setting
from pi_classifier_training.conversion.conversion import convert
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.conversion.unoptimized import convert_unoptimized
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.data.stored_pixels import PixelRows, Pixels
from pi_classifier_training.errors import ParityError
from pi_classifier_training.export.export import TRIAL
from pi_classifier_training.modelfile.writer import write_model_file
from pi_classifier_training.networks.network import Network

# Five decimals: folding changes the order of roundings and nothing else.
LARGEST_DIFFERENCE = 1e-5
WARM_UP_ROUNDS = 5
# The fastest of so many runs in a round: one that was not interrupted.
RUNS = 3

# In a graph, but nothing that is computed.
_PASSIVE = frozenset({"Const", "Identity", "IdentityN", "NoOp", "Placeholder", "ReadVariableOp"})

Progress = Callable[[Sequence[int]], Iterator[int]]


@dataclass(frozen=True, slots=True)
class File:
    """One file: how often each kind of operation occurs, its size, its median time."""

    operations: Mapping[str, int]
    size_bytes: int
    median_ms: float


@dataclass(frozen=True, slots=True)
class FoldingOptions:
    """How long to measure."""

    rounds: int = setting(201, "time so many photos", minimum=1, maximum=100_000)


@dataclass(frozen=True, slots=True)
class FoldingGain:
    """A network before and after folding, as measured on `photos` photos.

    `largest_difference` is that of any score (0–1) on any photo. `time_ratio` is the
    median over `rounds` of after / before, `time_ratio_quartiles` its quartiles.
    `normalization_share` is what the first layer takes of the time after, found by leaving
    it out; measured within noise, it may be below 0. `training_nodes` are the
    computing nodes of the training graph (forward only), `training_only_nodes` those of
    them that inference does not need.
    """

    before: File
    after: File
    photos: int
    rounds: int
    largest_difference: float
    time_ratio: float
    time_ratio_quartiles: tuple[float, float]
    normalization_share: float
    training_nodes: int
    training_only_nodes: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def measure_folding(
    network: Network,
    photos: Images,
    options: FoldingOptions,
    exported: Path | None = None,
    progress: Progress = iter,
) -> FoldingGain:
    """Measure what folding brings to a trained network on photos as the device sees them.

    `exported` is its float32 model file; without one it is converted here. Raises
    ParityError where a score differs by `LARGEST_DIFFERENCE` or more.
    """
    before = convert_unoptimized(network)
    after = exported.read_bytes() if exported else convert(network, "float32", photos)
    bare = (before, after, _without_normalization(network))
    with contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(_opened(b, network)) for b in bare)
        largest = _largest_difference(first, second, photos.pixels)
        times = _times_ns((first, second, third), photos.pixels, options.rounds, progress)
    ratios = times[:, 1] / times[:, 0]
    low, ratio, high = (float(q) for q in np.quantile(ratios, (0.25, 0.5, 0.75)))
    files = [
        File(_counted(data), len(data), float(np.median(times[:, i])) / 1e6)
        for i, data in enumerate((before, after))
    ]
    trained, training_only = _training_nodes(network)
    return FoldingGain(
        files[0],
        files[1],
        len(photos.pixels),
        options.rounds,
        largest,
        ratio,
        (low, high),
        1 - float(np.median(times[:, 2] / times[:, 1])),
        trained,
        training_only,
    )


def _without_normalization(network: Network) -> bytes:
    import keras

    model = network.inference_model()
    behind = keras.Model(model.get_layer("normalise").output, model.output)
    return to_tflite(
        lambda image: behind(image, training=False), network.spec.resolution, model.name
    )


@contextlib.contextmanager
def _opened(data: bytes, network: Network) -> Iterator[ModelClassifier]:
    """A flatbuffer in the daemon's classifier, without metadata of its own."""
    manifest = {"name": network.spec.name, "kind": "float32"}
    trial = write_model_file(data, network.labels, manifest)
    with contextlib.closing(open_model_bytes(trial, network.spec.name, TRIAL)) as classifier:
        yield classifier


def _largest_difference(
    before: ModelClassifier, after: ModelClassifier, photos: PixelRows
) -> float:
    largest = 0.0
    for pixels in photos:
        expected = before.raw_scores(pixels).copy()
        # np.maximum keeps not-a-number, which must fail below.
        off = np.abs(after.raw_scores(pixels) - expected).max()
        largest = float(np.maximum(largest, off))
    if not largest < LARGEST_DIFFERENCE:
        raise ParityError(
            f"the exported file's scores differ from the network's by {largest:.2g} on "
            f"{len(photos)} photos, and not by less than {LARGEST_DIFFERENCE:g}: was the file "
            "made from another training? Run 'pi-classifier-train export' on the folder again"
        )
    return largest


def _times_ns(
    classifiers: Sequence[ModelClassifier], photos: PixelRows, rounds: int, progress: Progress
) -> NDArray[np.float64]:
    """Nanoseconds for one photo ``[rounds, classifiers]``; they take turns on the same photo.

    Each gets `RUNS` turns in a round, of which the fastest counts.
    """
    times = np.empty((WARM_UP_ROUNDS + rounds, len(classifiers)))
    for turn in progress(range(len(times))):
        pixels = photos[turn % len(photos)]
        runs = [[_time_ns(c, pixels) for c in classifiers] for _ in range(RUNS)]
        times[turn] = np.min(runs, axis=0)
    return times[WARM_UP_ROUNDS:]


def _time_ns(classifier: ModelClassifier, pixels: Pixels) -> int:
    start = time.perf_counter_ns()
    classifier.raw_scores(pixels)
    return time.perf_counter_ns() - start


def _counted(data: bytes) -> dict[str, int]:
    kinds = Counter(operation.kind for operation in read_model_graph(data).operations)
    return dict(sorted(kinds.items()))


def _training_nodes(network: Network) -> tuple[int, int]:
    """Computing nodes of the forward training graph; those that inference does not have."""
    trained, needed = (_nodes(network, training=t) for t in (True, False))
    return sum(trained.values()), sum((trained - needed).values())


def _nodes(network: Network, *, training: bool) -> Counter[str]:
    import tensorflow as tf

    side = network.spec.resolution

    @tf.function(input_signature=[tf.TensorSpec((1, side, side, 3), tf.float32)])  # type: ignore[untyped-decorator]
    def logits(images: Any) -> Any:
        return network(images, training=training)[2]

    graph = logits.get_concrete_function().graph
    return Counter(op.type for op in graph.get_operations() if op.type not in _PASSIVE)
