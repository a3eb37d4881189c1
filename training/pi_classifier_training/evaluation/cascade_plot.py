"""Cost against accuracy: a picture of what a cascade's thresholds choose between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pi_classifier.system.files import write_atomic
from pi_classifier_training.evaluation.frontier import Frontier, count_frontier
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.evaluation.thresholds import CascadeData
from pi_classifier_training.plots import picture_of, require_picture_name

Points = Sequence[tuple[float, float]]


def plot_cascade(
    path: Path,
    name: str,
    data: CascadeData,
    frontier: Frontier,
    measured: Mapping[str, Any],
    test: Sequence[Outcomes],
) -> None:
    """Draw the frontier on both splits, the models and the cascade `name` into `path`.

    `measured` is what the cascade costs and gets right, `test` the models' outcomes on the
    test photos and the cascade's. An SVG or PNG file by its ending, written whole.
    """
    on_test = count_frontier(test[:-1], data.costs.frame_ms)
    curves = {
        f"every threshold, {len(data.validation[0].truth)} validation photos": outline(frontier),
        f"every threshold, {measured['n']} test photos": outline(on_test),
    }
    marks = {"the cascade, test": (measured["cost_ms"], measured["cascade"]["top1"])}
    for model in measured["models"]:
        marks[f"{model['name']} alone, test"] = (model["frame_ms"], model["top1"])
    plot_costs(path, name, curves, marks)


def plot_costs(
    path: Path, title: str, curves: Mapping[str, Points], marks: Mapping[str, tuple[float, float]]
) -> None:
    """Draw curves and named marks of (ms a frame, accuracy as a fraction) into `path`."""
    require_picture_name(path)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for (name, points), style in zip(curves.items(), ("-", "--", ":"), strict=False):
            axes.plot(
                [p[0] for p in points], [100 * p[1] for p in points], style, label=name, lw=1.4
            )
        for (name, (cost_ms, accuracy)), shape in zip(marks.items(), "*osD^vP", strict=False):
            size = 14 if shape == "*" else 7
            axes.plot(cost_ms, 100 * accuracy, shape, ms=size, label=name, linestyle="none")
        axes.set(title=title, xlabel="milliseconds a frame (mean)", ylabel="right (%)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")

    write_atomic(path, picture_of(draw, (7, 4.5), path.suffix.lower()[1:]))


def outline(frontier: Frontier) -> list[tuple[float, float]]:
    """(ms, accuracy) along the grid of two stages; of more, the best at each cost."""
    points = sorted(
        zip(frontier.cost_ms.ravel().tolist(), frontier.accuracy.ravel().tolist(), strict=True)
    )
    if frontier.accuracy.ndim == 1:
        return points
    best: list[tuple[float, float]] = []
    for cost_ms, accuracy in points:
        if not best or accuracy > best[-1][1]:
            best.append((cost_ms, accuracy))
    return best
