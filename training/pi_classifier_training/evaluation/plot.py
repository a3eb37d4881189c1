"""Cost against accuracy: a picture of what a cascade's thresholds choose between."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from pi_classifier.system.atomic import write_atomic
from pi_classifier_training.errors import TrainingError

SUFFIXES = (".svg", ".png")

Points = Sequence[tuple[float, float]]


def require_plot_name(path: Path) -> None:
    """Raise TrainingError where no picture can be written under this name."""
    if path.suffix.lower() not in SUFFIXES:
        raise TrainingError(
            f"{path}: a plot is written as {' or '.join(SUFFIXES)}; name such a file"
        )


def plot_frontier(
    path: Path, title: str, curves: Mapping[str, Points], marks: Mapping[str, tuple[float, float]]
) -> None:
    """Draw curves and named marks of (ms a frame, accuracy as a fraction) into `path`.

    It is an SVG or PNG file by its ending and needs no display; written whole.
    """
    require_plot_name(path)
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    kind = path.suffix.lower()[1:]
    # A fixed salt and no date: equal figures give equal files.
    with mpl.rc_context({"svg.hashsalt": "pi-classifier", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
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
        canvas = FigureCanvasSVG(figure) if kind == "svg" else FigureCanvasAgg(figure)
        stream = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        canvas.print_figure(stream, format=kind, dpi=120, metadata=metadata)
    write_atomic(path, stream.getvalue())
