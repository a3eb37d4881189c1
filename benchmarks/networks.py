"""Networks beside one another: accuracy on some photos against work and size, drawn as a chart."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import BenchmarkError
from pi_classifier.system.files import write_atomic, write_json

if TYPE_CHECKING:
    from pi_classifier_training.data.dataset import Photo
    from pi_classifier_training.networks.spec import NetworkSpec

FOLDS = 5
BOARD = "zero-2-w"
_COLORS = ("#2a6fdb", "#d9412b", "#2f9c95", "#e8962e", "#7d57b8", "#5c6b73", "#3d7a57")


@dataclass(frozen=True, slots=True)
class Measured:
    """A network: its share of right answers with the 95 % interval, its work and its file."""

    network: str
    width: float
    resolution: int
    n: int
    right: float
    low: float
    high: float
    mmacs: float
    kb: float
    board_ms: tuple[float, float]

    @property
    def size(self) -> str:
        """Width and resolution, as people write them."""
        return f"{self.width:g}/{self.resolution}"


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench networks``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench networks",
        description="Train a new head on every network whose published weights are at hand, with "
        "each fifth of the photos left out in turn, and say how many of those left out are right.",
    )
    parser.add_argument("--image-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--weights-dir", type=Path, metavar="DIR", help="weights under the names Keras gives them"
    )
    parser.add_argument("--most", type=int, metavar="N", help="at most so many photos of a label")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a chart (.svg or .png)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Measure and print network after network, then draw them."""
    from pi_classifier_training.plots import require_picture_name

    if arguments.plot is not None:
        require_picture_name(arguments.plot)
    photos = _photos(arguments.image_dir, arguments.most)
    print(
        f"{'network':20} {'size':>9} {'right':>7} {'95 %':>13} {'10⁶ MACs':>9} {'kB':>6} {'ms':>7}"
    )
    rows: list[Measured] = []
    for row in _measured(photos, arguments.weights_dir):
        rows.append(row)
        low, high = row.board_ms
        print(
            f"{row.network:20} {row.size:>9} {row.right:7.1%} {row.low:6.1%}–{row.high:.1%} "
            f"{row.mmacs:9.0f} {row.kb:6.0f} {low:3.0f}–{high:.0f}",
            flush=True,
        )
    if not rows:
        raise BenchmarkError(
            "no published weights are at hand: name their folder with --weights-dir, or go online"
        )
    if arguments.json is not None:
        about = {"photos": len(photos), "folds": FOLDS, "board": BOARD}
        write_json(arguments.json, about | {"networks": [asdict(row) for row in rows]})
    if arguments.plot is not None:
        write_atomic(arguments.plot, chart(rows, arguments.plot.suffix[1:].lower()))


def _photos(image_dir: Path, most: int | None) -> list[Photo]:
    from pi_classifier_training.data.dataset import evenly_over_labels, scan

    photos = scan([image_dir])
    if most is None:
        return photos
    return [photos[i] for i in sorted(evenly_over_labels([p.label for p in photos], most, seed=1))]


def _measured(photos: Sequence[Photo], weights_dir: Path | None) -> Iterator[Measured]:
    from pi_classifier_training.evaluation.boards import board_cost
    from pi_classifier_training.evaluation.metrics import wilson
    from pi_classifier_training.networks.imagenet import PUBLISHED, mmacs
    from pi_classifier_training.networks.spec import FAMILIES, NetworkSpec
    from pi_classifier_training.search.candidates import Weights

    weights = Weights(weights_dir)
    for name, width in PUBLISHED:
        for resolution in FAMILIES[name].resolutions:
            spec = NetworkSpec(name, width, resolution)
            file = weights.file_of(spec)
            if file is None:
                continue
            right = _right(spec, str(file), photos)
            share = wilson(int(right.sum()), len(right))
            cost = board_cost(spec, BOARD, labels=len({p.label for p in photos}))
            yield Measured(
                name, width, resolution, len(right), share.value, share.low, share.high,
                mmacs(spec), cost.kb, (cost.low_ms, cost.high_ms),
            )  # fmt: skip


def _right(spec: NetworkSpec, weights: str, photos: Sequence[Photo]) -> np.ndarray[Any, Any]:
    """Whether each photo is named rightly by a head that has not seen it, bool ``[n]``."""
    from pi_classifier_training.data.dataset import labels_of
    from pi_classifier_training.features.bottlenecks import BottleneckCache
    from pi_classifier_training.networks.network import Network, load_weights
    from pi_classifier_training.retraining.head import fit_head
    from sklearn.model_selection import StratifiedKFold

    network = Network(spec, labels_of(photos))
    load_weights(network.backbone, spec, weights)
    with BottleneckCache.at(None) as cache:
        known = cache.features(
            network, "crop", photos, cache.contents(photos), mirrored=False,
            title=f"{spec.name} {spec.width:g}/{spec.resolution}",
        )  # fmt: skip
        features = known.gather(np.arange(len(known)))
    right = np.zeros(len(known.indices), np.bool_)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=1)
    for kept, left_out in folds.split(features, known.indices):
        head = fit_head(features[kept], known.indices[kept], len(network.labels))
        right[left_out] = head.logits(features[left_out]).argmax(axis=1) == known.indices[left_out]
    return right


def chart(rows: Sequence[Measured], kind: str) -> bytes:
    """Right answers against work, a circle as large as the file; ``svg`` or ``png``."""
    from pi_classifier_training.plots import picture_of

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for number, name in enumerate(dict.fromkeys(row.network for row in rows)):
            own = [row for row in rows if row.network == name]
            axes.scatter(
                [row.mmacs for row in own], [100 * row.right for row in own],
                s=[row.kb / 4 for row in own], alpha=0.5, color=_COLORS[number % len(_COLORS)],
                label=name,
            )  # fmt: skip
            for row in own:
                axes.annotate(
                    row.size, (row.mmacs, 100 * row.right), fontsize=7, xytext=(0, 5),
                    textcoords="offset points", ha="center",
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("million multiply-accumulates for a picture")
        axes.set_ylabel("photos named rightly, %")
        axes.grid(alpha=0.3)
        legend = axes.legend(title="a new head alone; circles as large as the file", fontsize=8)
        for handle in legend.legend_handles:
            handle.set_sizes([60])

    return picture_of(draw, (8.0, 5.0), kind)
