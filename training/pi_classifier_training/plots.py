"""Figures drawn without a display; the only module importing matplotlib.

Equal figures give equal bytes: identifiers come from a fixed salt, and no date is written.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pi_classifier_training.errors import TrainingError

SUFFIXES = (".svg", ".png")
PNG_DPI = 120


def require_picture_name(path: Path) -> None:
    """Raise TrainingError where no picture can be written under this name."""
    if path.suffix.lower() not in SUFFIXES:
        raise TrainingError(
            f"{path}: a plot is written as {' or '.join(SUFFIXES)}; name such a file"
        )


def picture_of(
    draw: Callable[[Any], None],
    size_in: tuple[float, float],
    kind: str = "svg",
    *,
    style: Mapping[str, object] | None = None,
    transparent: bool = False,
) -> bytes:
    """The bytes of a picture, ``svg`` or ``png``, that `draw` makes on an empty figure.

    `size_in` is its width and height in inches, `style` further settings of matplotlib.
    Texts of an SVG stay texts.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    fixed = {"svg.hashsalt": "pi-classifier", "svg.fonttype": "none"}
    with mpl.rc_context({**fixed, **(style or {})}):
        figure = Figure(figsize=size_in, layout="constrained")
        draw(figure)
        stream = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(
            stream, format=kind, dpi=PNG_DPI, metadata=metadata, transparent=transparent
        )
    return stream.getvalue()
