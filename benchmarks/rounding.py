"""Rounded networks beside one another: what gzip saves and what that costs, table and chart."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BenchmarkError
from pi_classifier.system.files import write_atomic, write_json

if TYPE_CHECKING:
    from pi_classifier_training.compression.rounding.frontier import Point

TOLERANCES = (-26.0, -25.0, -24.0, -23.0)
# What is to be saved, in percent, at how many points lost.
AIM_SAVED, AIM_LOST = 80, 0.5
_MOST_SHOWN = 10
# What is said behind a network's name where no photos were used to round it.
DRAWN = ", without photos"
_COLORS = ("#2a6fdb", "#d9412b", "#2f9c95", "#e8962e", "#7d57b8", "#5c6b73")


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench rounding``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench rounding",
        description="Round float models ever more coarsely, and say for each tolerance what gzip "
        "saves of the file and how many photos that were not trained on are still right.",
    )
    parser.add_argument(
        "models", nargs="+", metavar="NAME=MODEL", help="float32.tflite and its name in the chart"
    )
    parser.add_argument("--image-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--tolerances",
        nargs="+",
        type=float,
        default=TOLERANCES,
        metavar="EXPONENT",
        help="powers of two, as -25 for 2^-25: the harm that a weight may do, in nats",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a chart (.svg or .png)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Measure and print network after network, then draw them."""
    from pi_classifier_training.compression.rounding.frontier import row_of
    from pi_classifier_training.plots import require_picture_name

    if arguments.plot is not None:
        require_picture_name(arguments.plot)
    points: dict[str, list[Point]] = {}
    for name, path in map(_named, arguments.models):
        points |= _points(name, Path(path), arguments.image_dir, arguments.tolerances)
        # After each network: a measurement that is broken off has not been in vain.
        if arguments.json is not None:
            write_json(arguments.json, {n: [row_of(p) for p in own] for n, own in points.items()})
        if arguments.plot is not None:
            write_atomic(arguments.plot, chart(points, arguments.plot.suffix[1:].lower()))


def _named(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise BenchmarkError(f"{text}: expected NAME=MODEL, as v2-0.35=run/float32.tflite")
    return name, path


def _points(
    name: str, model: Path, image_dir: Path, tolerances: Sequence[float]
) -> Iterator[tuple[str, list[Point]]]:
    """A network's points fitted to photos, then fitted to drawn pictures; all on photos."""
    from pi_classifier_training.compression.rounding.float_file import read_float_model
    from pi_classifier_training.compression.rounding.frontier import measured, table
    from pi_classifier_training.compression.rounding.trials import RoundingTrials

    source = read_float_model(model)
    judge = RoundingTrials(source, [image_dir])
    exact = measured(judge, judge.untouched())
    for title, fitted in ((name, judge), (name + DRAWN, RoundingTrials(source, []))):
        rounded = (fitted.by_tolerance(e) for e in sorted(tolerances))
        own = [exact, *(measured(judge, attempt) for attempt in rounded)]
        print(f"{title}\n", *table(own), "", sep="\n", flush=True)
        yield title, own


def chart(points: Mapping[str, Sequence[Point]], kind: str) -> bytes:
    """A curve for each network: top-1 against the float model's, over what gzip saves."""
    from pi_classifier_training.plots import picture_of

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        networks = dict.fromkeys(name.removesuffix(DRAWN) for name in points)
        colors = dict(zip(networks, itertools.cycle(_COLORS), strict=False))
        for name, (exact, *rounded) in points.items():
            x = [100 * p.saving for p in rounded]
            y = [100 * (p.top1 - exact.top1) for p in rounded]
            line = "o:" if name.endswith(DRAWN) else "o-"
            color = colors[name.removesuffix(DRAWN)]
            axis.plot(x, y, line, color=color, markersize=4, label=name)
        # A ruined network would press all that is of use into a line: it leaves the picture.
        axis.set_ylim(bottom=max(axis.get_ylim()[0], -_MOST_SHOWN))
        axis.axhline(0, color="gray", linewidth=1)
        axis.axhline(-AIM_LOST, color="gray", linewidth=1, linestyle="--")
        axis.axvline(AIM_SAVED, color="gray", linewidth=1, linestyle=":")
        axis.set_xlabel("saved by gzip -9, % of the float file")
        axis.set_ylabel("points of top-1 beside the float file")
        axis.legend(loc="lower left", fontsize=8)
        axis.grid(alpha=0.3)

    return picture_of(draw, (6.4, 4), kind)
