"""The solved head beside a plain logistic regression, on photos left out in turn."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from pi_classifier.cameras.emulated.scenes import LABELS, Scene

if TYPE_CHECKING:
    from pi_classifier_training.data.dataset import Photo

SECTION = "Mistakes of a head on photos left out"
ABOUT = {
    SECTION: (
        "five folds for each seed; both see the same features of the untouched network;",
        "the probe is scikit-learn's LogisticRegression on standardized features, C = 1/8 (an L2",
        "penalty of 8 / n) or its default C = 1; 'spread' is the standard error, over folds, of",
        "the difference to the first, in points",
    ),
}
NO_WORSE = Aim(1.0, "ratio")
FOLDS = 5
PROBES: Mapping[str, float] = {"probe, C = 1/8": 1 / 8, "probe, C = 1": 1.0}
GARDEN = "drawn garden"
# Twelve labels, the commonest with ten times the photos of the rarest.
MOST_DRAWN, RARER = 130, 0.81
DUSK = np.array([0.30, 0.34, 0.48], np.float32)

Rows = NDArray[np.float32]
Logits = Callable[[Rows], Rows]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Features of photos, plain and mirrored, float32 ``[2, n, channels]``; labels ``[n]``."""

    features: Rows
    indices: NDArray[np.int64]
    labels: int


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench head``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench head",
        description="Compare the solved head with plain logistic regression on a drawn set of "
        "twelve labels and on folders of photos.",
    )
    parser.add_argument(
        "--image-dir", action="append", default=[], type=Path, metavar="DIR",
        help="a sub-folder is a label; may be given several times",
    )  # fmt: skip
    parser.add_argument("--weights", default="imagenet", metavar="imagenet|FILE")
    parser.add_argument("--width", default="0.25")
    parser.add_argument("--resolution", default="224")
    parser.add_argument(
        "--least", type=int, default=30, metavar="N", help="photos of a label that counts (30)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="times five folds (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Compare on one set after another; yield the figures of each."""
    with tempfile.TemporaryDirectory(prefix="bench-head-") as folder:
        drawn = Path(folder) / GARDEN
        draw_garden(drawn)
        for image_dir in (drawn, *arguments.image_dir):
            photos = _photos(image_dir, arguments.least if image_dir != drawn else 1)
            known = _known(photos, arguments)
            counts = Counter(photo.label for photo in photos).values()
            subject = (
                f"{image_dir.name}: {known.labels} labels of {min(counts)} to {max(counts)} photos"
            )
            yield list(_compared(subject, known, arguments.seeds))


def draw_garden(folder: Path) -> None:
    """Draw the garden's scenes by day and at dusk: twelve labels of very different numbers."""
    kinds = [(label, dusk) for dusk in (False, True) for label in LABELS]
    for number, (label, dusk) in enumerate(kinds):
        own = folder / (f"{label} at dusk" if dusk else label)
        own.mkdir(parents=True)
        for photo in range(round(MOST_DRAWN * RARER**number)):
            rng = np.random.default_rng((number, photo))
            pixels = Scene.draw(label, rng).render(240, 320, float(rng.uniform(0, 10)), rng)
            if dusk:
                pixels = (pixels * DUSK).astype(np.uint8)
            Image.fromarray(pixels).save(own / f"{number}-{photo}.jpg", quality=92)


def _photos(image_dir: Path, least: int) -> list[Photo]:
    """All photos below the sub-folders of `image_dir` that hold at least so many."""
    from pi_classifier_training.data.dataset import Photo, walk

    if not image_dir.is_dir():
        raise BenchmarkError(f"{image_dir}: no such folder of photos")
    photos: list[Photo] = []
    for folder in sorted(path for path in image_dir.iterdir() if path.is_dir()):
        own = [
            Photo.of(place, name, folder.name, "training")
            for place, name, kind in walk(str(folder))
            if kind == "photo"
        ]
        photos += own if len(own) >= least else []
    return photos


def _known(photos: list[Photo], arguments: argparse.Namespace) -> Known:
    from pi_classifier_training.data.dataset import labels_of
    from pi_classifier_training.features.bottlenecks import BottleneckCache
    from pi_classifier_training.networks.network import Network, NetworkSpec, load_weights

    spec = NetworkSpec("mobilenet_v1", float(arguments.width), int(arguments.resolution))
    network = Network(spec, labels_of(photos))
    load_weights(network.backbone, spec, arguments.weights)
    with BottleneckCache.at(None) as cache:
        found = cache.features(
            network, "crop", photos, cache.contents(photos), mirrored=True, title="features"
        )
        features = found.gather(np.arange(len(found)))
    return Known(features.reshape(2, len(found.indices), -1), found.indices, len(network.labels))


def _compared(subject: str, known: Known, seeds: int) -> Iterator[Figure]:
    from pi_classifier_training.retraining.epochs import figures_of
    from sklearn.model_selection import StratifiedKFold

    wrong: dict[str, list[float]] = {name: [] for name in ("head", *PROBES)}
    for seed in range(seeds):
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        for kept, left_out in folds.split(known.indices, known.indices):
            ways = {"head": _head(known, kept)}
            ways |= {name: _probe(known, kept, c) for name, c in PROBES.items()}
            for name, logits in ways.items():
                figures = figures_of(logits(known.features[0, left_out]), known.indices[left_out])
                wrong[name].append(100 * (1 - figures["validation_accuracy"]))
    ours = np.array(wrong["head"])
    for name in PROBES:
        theirs = np.array(wrong[name])
        quartiles = np.quantile(ours / np.maximum(theirs, 1e-9), (0.25, 0.75)).tolist()
        yield Figure(
            SECTION, subject, "wrong", "%", float(ours.mean()), name, float(theirs.mean()),
            (quartiles[0], quartiles[1]), NO_WORSE,
        )  # fmt: skip
        spread = float((ours - theirs).std(ddof=1) / np.sqrt(len(ours)))
        yield Figure(SECTION, subject, f"spread, {name}", "points", spread)


def _head(known: Known, kept: NDArray[np.int64]) -> Logits:
    from pi_classifier_training.retraining.head import choose_strength, fit_head

    indices = known.indices[kept]
    strength = choose_strength(known.features[0, kept], indices, known.labels)
    head = fit_head(
        np.concatenate(known.features[:, kept]), np.tile(indices, 2), known.labels,
        strength=strength, views=2,
    )  # fmt: skip
    return head.logits


def _probe(known: Known, kept: NDArray[np.int64], c: float) -> Logits:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2_000))
    probe.fit(known.features[0, kept], known.indices[kept])

    def logits(features: Rows) -> Rows:
        scores = np.zeros((len(features), known.labels), np.float32)
        scores[:, probe.classes_] = probe.predict_log_proba(features)
        return scores

    return logits
