"""The frontier of rounding: saving against accuracy of every method, as table and plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pi_classifier.system.files import write_atomic, write_json
from pi_classifier_training.compression.rounding.trials import Attempt, Figures, RoundingTrials
from pi_classifier_training.plots import picture_of

SPLITS = ("validation", "test")
CLASSIC_LEVELS = (64, 256, 1024, 4096)
CHANNEL_LEVELS = (64, 128, 256, 1024)
EXPONENTS = (-35.0, -33.0, -31.0, -29.0, -28.0, -27.0, -26.0, -25.0, -24.0, -23.0)
NAMES = {
    "float": "not rounded",
    "classic": "one set of levels a tensor (classic)",
    "channel": "power-of-two steps a channel",
    "compensated": "compensated, levels by sensitivity",
}
# The plot shows losses up to so many points in its close view.
CLOSE_POINTS = 4.0


@dataclass(frozen=True, slots=True)
class Point:
    """One way of rounding with what it saves and how it does on both held-out splits.

    Both, because a few hundred photos of one split move by points by chance; nothing is
    chosen by these figures, so the test photos stay honest.
    """

    method: str
    setting: str
    packed_bytes: int
    saving: float
    validation: Figures
    test: Figures

    @property
    def top1(self) -> float:
        """Top-1 on the photos of both splits together."""
        n = self.validation.n + self.test.n
        return (self.validation.top1 * self.validation.n + self.test.top1 * self.test.n) / n


def write_frontier(trials: RoundingTrials, chosen: Attempt, folder: Path) -> Iterator[str]:
    """Measure all methods at several settings; write ``frontier.csv``, ``.json`` and ``.svg``.

    `chosen` is among the points. Yields lines to print: the table.
    """
    points = [measured(trials, a) for a in _attempts(trials, chosen)]
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row_of(p) for p in points]
    write_json(folder / "frontier.json", rows)
    write_atomic(folder / "frontier.csv", _csv(rows))
    write_atomic(folder / "frontier.svg", _plot(points))
    yield from table(points)
    yield f"{folder}: frontier.csv, frontier.json, frontier.svg"


def measured(trials: RoundingTrials, attempt: Attempt) -> Point:
    """What an attempt saves, and how it does on both held-out splits."""
    figures = (
        trials.figures(attempt, s) if attempt.weights else trials.float_figures(s) for s in SPLITS
    )
    return Point(attempt.method, attempt.setting, attempt.packed_bytes, attempt.saving, *figures)


def _attempts(trials: RoundingTrials, chosen: Attempt) -> Iterator[Attempt]:
    yield trials.untouched()
    for levels in CLASSIC_LEVELS:
        yield trials.by_levels("classic", levels)
    for levels in CHANNEL_LEVELS:
        yield trials.by_levels("channel", levels)
    # Fixed settings over the whole range, not a search for the best: the plot is to show
    # what a little more saving costs anywhere, and the same settings can be compared from
    # model to model.
    own = [trials.by_tolerance(exponent) for exponent in EXPONENTS]
    if chosen.method == "compensated" and all(a is not chosen for a in own):
        own.append(chosen)
    yield from sorted(own, key=lambda a: a.saving)


def row_of(point: Point) -> dict[str, Any]:
    """A point as JSON and CSV have it: one number or text for each name."""
    row: dict[str, Any] = {k: getattr(point, k) for k in ("method", "setting", "packed_bytes")}
    row["saving"] = round(point.saving, 4)
    for split in SPLITS:
        figures = asdict(getattr(point, split))
        figures["change_low"], figures["change_high"] = figures.pop("change")
        row |= {f"{split}_{k}": round(v, 5) for k, v in figures.items()}
    return row


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def table(points: Sequence[Point]) -> Iterator[str]:
    """The points as lines of a table in Markdown."""
    first = points[0]
    yield (
        f"| method | setting | saved | top-1 validation (n = {first.validation.n}) | top-1 test "
        f"(n = {first.test.n}) | change on test, 95 % interval | same label | cross-entropy |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for p in points:
        v, t = p.validation, p.test
        n = v.n + t.n
        same = (v.agreement * v.n + t.agreement * t.n) / n
        entropy = (v.cross_entropy * v.n + t.cross_entropy * t.n) / n
        low, high = (100 * x for x in t.change)
        yield (
            f"| {p.method} | {p.setting} | {p.saving:.1%} | {v.top1:.1%} | {t.top1:.1%} "
            f"| {low:+.1f} to {high:+.1f} | {same:.1%} | {entropy:.3f} |"
        )


def _plot(points: Sequence[Point]) -> bytes:
    """The whole range beside a close view of what is nearly as good as the float file."""
    exact = 100 * points[0].top1

    def draw(figure: Any) -> None:
        whole, close = figure.subplots(1, 2)
        for axis in (whole, close):
            _draw_methods(axis, points, exact)
        whole.set_ylabel("top-1 on validation and test photos, %")
        whole.set_ylim(0, 100)
        whole.legend(loc="lower left", fontsize=8)
        close.set_ylim(exact - CLOSE_POINTS, exact + CLOSE_POINTS / 4)
        close.axhline(exact - 0.5, color="gray", linewidth=1, linestyle="--")
        close.set_title("close view; dashed: 0.5 points lost", fontsize=9)

    return picture_of(draw, (10, 4.2))


def _draw_methods(axis: Any, points: Sequence[Point], exact: float) -> None:
    for method in ("classic", "channel", "compensated"):
        own = [p for p in points if p.method == method]
        x, y = [100 * p.saving for p in own], [100 * p.top1 for p in own]
        axis.plot(x, y, "o-", label=NAMES[method], markersize=4)
    axis.axhline(exact, color="gray", linewidth=1, label=NAMES["float"])
    axis.axvline(80, color="gray", linewidth=1, linestyle=":")
    axis.set_xlabel("saved by gzip -9, % of the float file")
    axis.grid(alpha=0.3)
