"""The report's figures as SVG text to put into a page.

Colors are the page's own (CSS variables), so that figures follow light and dark; texts
stay texts. Equal values give equal bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pi_classifier_training.evaluation.metrics import wilson
from pi_classifier_training.plots import picture_of
from pi_classifier_training.reporting.learning_curve import Curve, Forecast

# Stand-ins that matplotlib takes for colors; the page's variables replace them.
INK, MUTED, GRID, FIRST, SECOND = (f"#00000{i}" for i in range(1, 6))
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "line", FIRST: "first", SECOND: "second"}
# Inches of 72 units: on a telephone one unit is about one pixel, so 11 can be read.
WIDTH_IN = 4.7
FONT_UNITS = 12
# Share of a figure's height that one line of text takes.
LINES_APART = 0.075

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FilePoint:
    """A model file in the plot: its mark, kilobytes zipped, accuracy with interval, ms."""

    mark: str
    kilobytes: float
    accuracy: tuple[float, float, float]
    latency_ms: float
    chosen: bool


def training_curves(history: Rows) -> str | None:
    """Accuracy and loss by epoch; None when there is no course to be seen."""
    accuracy = {
        "training photos": _series(history, "accuracy"),
        "validation photos": _series(history, "validation_accuracy"),
    }
    # The plain cross-entropy of both can be compared; the loss holds smoothing and more.
    comparable = any("cross_entropy" in row for row in history)
    losses = {
        "training photos": _series(history, "cross_entropy" if comparable else "loss"),
        "validation photos": _series(history, "validation_cross_entropy"),
    }
    if max(len(xs) for xs, _ in accuracy.values()) < 2:
        return None
    panels = [
        ("right answers, %", accuracy, 100.0),
        ("cross-entropy" if comparable else "loss", losses, 1.0),
    ]
    panels = [p for p in panels if any(len(xs) for xs, _ in p[1].values())]

    def draw(figure: Any) -> None:
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, (title, lines, scale) in zip(axes, panels, strict=True):
            _tidy(axis, title)
            for (name, (xs, ys)), color in zip(lines.items(), (SECOND, FIRST), strict=True):
                style = "-o" if len(xs) < 30 else "-"
                axis.plot(
                    xs, [scale * y for y in ys], style, color=color, label=name, markersize=3
                )
            for x in _phase_starts(history):
                axis.axvline(x - 0.5, color=MUTED, linewidth=0.8, linestyle=":")
        axes[0].legend(loc="lower right")
        axes[-1].set_xlabel("epoch (once through all training photos)")
        axes[-1].xaxis.get_major_locator().set_params(integer=True)

    return _svg(draw, 2.1 * len(panels) + 0.5, "curves")


def files_plot(points: Sequence[FilePoint]) -> str:
    """Accuracy against size of every file, the time written beside it."""
    widest = max(point.kilobytes for point in points)

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        _tidy(axis, "of 100 test photos right")
        for point in points:
            color = FIRST if point.chosen else SECOND
            share, low, high = (100 * x for x in point.accuracy)
            axis.errorbar(
                point.kilobytes, share, [[share - low], [high - share]], color=color, fmt="o",
                markersize=9 if point.chosen else 6, elinewidth=1.2, capsize=3,
            )  # fmt: skip
        bottom, top = axis.get_ylim()
        gap = (top - bottom) * LINES_APART
        for point, y in _apart(points, gap):
            text = f"{point.mark} · {point.latency_ms:.2g} ms"
            left = point.kilobytes > 0.6 * widest
            axis.annotate(
                text, (point.kilobytes, y), xytext=(-8 if left else 8, 0), va="center",
                ha="right" if left else "left", textcoords="offset points",
                fontsize=FONT_UNITS - 1, fontweight="bold" if point.chosen else "normal",
            )  # fmt: skip
        axis.set_xlim(0, 1.1 * widest)
        axis.set_xlabel("size when zipped, kB")

    return _svg(draw, 3.3, "files")


def _apart(points: Sequence[FilePoint], gap: float) -> list[tuple[FilePoint, float]]:
    """Heights for the points' texts, at least `gap` apart, as near as may be."""
    placed: list[tuple[FilePoint, float]] = []
    for point in sorted(points, key=lambda p: (p.accuracy[0], p.kilobytes)):
        y = 100 * point.accuracy[0]
        placed.append((point, max(y, placed[-1][1] + gap) if placed else y))
    return placed


def calibration(bins: Iterable[tuple[float, float, int]]) -> str:
    """Share of right answers against the score, with 95 % intervals."""

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        _tidy(axis, "of 100 such answers right")
        axis.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle="--")
        xs, ys = [], []
        for score, right, n in bins:
            interval = wilson(round(right * n), n)
            xs.append(100 * score)
            ys.append(100 * right)
            axis.plot([xs[-1]] * 2, [100 * interval.low, 100 * interval.high], color=FIRST)
        axis.plot(xs, ys, "-o", color=FIRST, markersize=5)
        axis.set_xlim(0, 101)
        axis.set_ylim(0, 101)
        axis.set_xlabel("score the model gave, %")

    return _svg(draw, 3.3, "calibration")


def learning(curve: Curve, forecast: Forecast) -> str:
    """Mistakes of the last layer by number of training photos, carried on to twice."""
    import numpy as np

    now = float(curve.counts[-1])
    checks = curve.wrong.shape[2]

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        _tidy(axis, "of 100 photos wrong")
        for n, error in zip(curve.counts, curve.errors, strict=True):
            interval = wilson(round(float(error) * checks), checks)
            axis.plot([n, n], [100 * interval.low, 100 * interval.high], color=SECOND, alpha=0.5)
        axis.plot(
            curve.counts, 100 * curve.errors, "o", color=SECOND, markersize=5, label="measured"
        )
        if not forecast.doubt:
            known = np.geomspace(curve.counts[0], now, 40)
            later = np.geomspace(now, 2 * now, 20)
            axis.plot(known, 100 * forecast.law(known), color=FIRST)
            axis.plot(later, 100 * forecast.law(later), "--", color=FIRST, label="carried on")
            low, high = (100 * forecast.measured * r for r in forecast.ratio_interval)
            axis.plot([2 * now] * 2, [low, high], color=FIRST, linewidth=3, alpha=0.6)
        axis.set_ylim(bottom=0)
        axis.set_xlim(left=0)
        axis.set_xlabel("training photos")
        axis.legend(loc="upper right")

    return _svg(draw, 3.2, "learning")


def _series(history: Rows, key: str) -> tuple[list[int], list[float]]:
    """The row numbers and values of those rows that have `key`."""
    points = [(i, row[key]) for i, row in enumerate(history, start=1) if _is_number(row.get(key))]
    return [i for i, _ in points], [float(value) for _, value in points]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _phase_starts(history: Rows) -> list[int]:
    """The rows at which another phase of training begins."""
    phases = [row.get("phase", "head" if row.get("epoch") == 0 else "") for row in history]
    return [i + 1 for i in range(1, len(phases)) if phases[i] != phases[i - 1]]


def _tidy(axis: Any, title: str) -> None:
    # A short title reads more easily than text turned by 90 degrees.
    axis.set_title(title, loc="left", fontsize=FONT_UNITS, color=INK)
    axis.grid(visible=True, color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _svg(draw: Callable[[Any], None], height_in: float, name: str) -> str:
    """Draw on a figure and return it as an ``<svg>`` element that follows the page."""
    style = {
        "svg.hashsalt": name, "font.size": FONT_UNITS,
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED,
        "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK,
        "ytick.labelcolor": INK, "legend.frameon": False, "lines.linewidth": 1.8,
        "text.parse_math": False,
    }  # fmt: skip
    picture = picture_of(draw, (WIDTH_IN, height_in), style=style, transparent=True)
    return _for_page(picture.decode(), name)


def _for_page(svg: str, name: str) -> str:
    """Cut what only a file of its own needs; make identifiers unique in the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg[^>]*(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true">', svg, count=1)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'\bxlink:href="#', f'href="#{name}-', svg).replace("url(#", f"url(#{name}-")
    # Size and weight stay; the family is the page's.
    svg = re.sub(r"\s*font-family: [^;\"]*;?", "", svg)
    # A style element would reach out of the figure to the whole page.
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var(--{variable})")
    return svg
