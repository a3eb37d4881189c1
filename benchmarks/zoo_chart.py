"""The chart of the zoo: right answers against work, circles as large as the files."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from pi_classifier_training.evaluation.boards import network_work

from benchmarks.zoo_record import Entry, Zoo

_COLORS = ("#2a6fdb", "#d9412b", "#2f9c95", "#e8962e", "#7d57b8", "#5c6b73", "#3d7a57")


def chart(zoo: Zoo) -> bytes:
    """Right answers of the int8 files against work, as SVG; it ends with `figures_id`."""
    from pi_classifier_training.plots import picture_of

    entries = zoo.ordered()

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for number, name in enumerate(dict.fromkeys(e.network.name for e in entries)):
            own = [e for e in entries if e.network.name == name]
            for tuned in (False, True):
                _draw_points(
                    axes, [e for e in own if (e.training.kept != "head") == tuned], tuned=tuned,
                    color=_COLORS[number % len(_COLORS)], name=name,
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("million multiply-accumulates for a picture")
        axes.set_ylabel("test photos named rightly by the int8 file, %")
        axes.grid(alpha=0.3)
        legend = axes.legend(title="circles as large as the file", fontsize=8, loc="lower right")
        for handle in legend.legend_handles:
            handle.set_sizes([60])

    return picture_of(draw, (8.0, 5.5)) + f"<!-- {figures_id(zoo)} -->\n".encode()


def _draw_points(
    axes: Any, entries: Sequence[Entry], *, tuned: bool, color: str, name: str
) -> None:
    """Circles with their intervals: filled ones for networks that were trained as a whole."""
    if not entries:
        return
    work = [network_work(e.network) for e in entries]
    x = [(w.dense + w.depthwise) / 1e6 for w in work]
    shares = [e.files["int8"].test.accuracy for e in entries]
    axes.vlines(
        x, [100 * s.low for s in shares], [100 * s.high for s in shares], color=color, alpha=0.25
    )
    axes.scatter(
        x, [100 * s.value for s in shares], edgecolors=color,
        s=[e.files["int8"].size_bytes / 4000 for e in entries], alpha=0.6,
        facecolors=color if tuned else "none",
        label=f"{name}, {'fine-tuned' if tuned else 'last layer alone'}",
    )  # fmt: skip
    for position, share, entry in zip(x, shares, entries, strict=True):
        spec = entry.network
        axes.annotate(
            f"{spec.width:g}/{spec.resolution}", (position, 100 * share.value), fontsize=7,
            xytext=(0, 6), textcoords="offset points", ha="center",
        )  # fmt: skip


def figures_id(zoo: Zoo) -> str:
    """What tells whether a chart was drawn from these figures."""
    drawn = [
        (entry.network.title, entry.training.words, str(entry.files["int8"]))
        for entry in zoo.ordered()
    ]
    return sha256(repr(drawn).encode()).hexdigest()
