"""The chart of the zoo: right answers against the time on a Pi Zero 2 W."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from pi_classifier_training.evaluation.boards import USUAL_MS
from pi_classifier_training.inspection.estimates import BOARDS

from benchmarks.zoo_record import Entry, Zoo
from benchmarks.zoo_text import cost

_COLORS = ("#2a6fdb", "#d9412b", "#2f9c95", "#e8962e", "#7d57b8", "#5c6b73", "#3d7a57")
# Small, so that letters stay readable where a telephone shows all of it.
_SIZE_IN, _FONT = (5.4, 5.0), 7.5
_TICKS = (5, 10, 20, 50, 100, 200, 500)
# Where a label may stand beside its point, in points: the first place that is free.
_PLACES = ((0, 6), (0, -12), (14, -3), (-14, -3), (0, 16), (0, -22))
# About as wide and high is the number at a point.
_LABEL = (13.0, 9.0)


def chart(zoo: Zoo) -> bytes:
    """Right answers of the int8 files against milliseconds, as SVG; it ends with `figures_id`."""
    from pi_classifier_training.plots import picture_of

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        _prepare(axes)
        entries = zoo.ordered()
        for number, key in enumerate(dict.fromkeys(map(_key, entries))):
            own = [entry for entry in entries if _key(entry) == key]
            _draw_network(axes, own, _COLORS[number % len(_COLORS)])
        if entries:
            figure.legend(fontsize=_FONT, loc="outside upper center", ncols=2)
        # Only now is it known where a point lies on the picture.
        figure.draw_without_rendering()
        _write_sides(axes, entries)

    return picture_of(draw, _SIZE_IN) + f"<!-- {figures_id(zoo)} -->\n".encode()


def _key(entry: Entry) -> tuple[str, float]:
    return entry.network.name, entry.network.width


def _prepare(axes: Any) -> None:
    axes.set_xscale("log")
    axes.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
    axes.minorticks_off()
    axes.margins(y=0.08)
    axes.set_xlabel(f"estimated milliseconds a picture on a {BOARDS[0].name}, slow end")
    axes.set_ylabel("test photos named rightly (int8), %")
    axes.grid(alpha=0.3)
    axes.axvline(USUAL_MS, color="#888888", linestyle=":", linewidth=1)
    axes.annotate(
        "20 pictures a second", (USUAL_MS, 0.015), xycoords=("data", "axes fraction"),
        xytext=(-3, 0), textcoords="offset points", rotation=90, ha="right", va="bottom",
        fontsize=_FONT, color="#666666",
    )  # fmt: skip


def _draw_network(axes: Any, entries: Sequence[Entry], color: str) -> None:
    """The sizes of one network: a line through last layers, filled points for whole trainings."""
    heads = [entry for entry in entries if entry.training.head_alone]
    tuned = [entry for entry in entries if not entry.training.head_alone]
    name = "{} {:g}".format(*_key(entries[0]))
    for own, fill, line, how in (
        (heads, "white", "-", "last layer alone"),
        (tuned, color, "none", "all layers"),
    ):
        if own:
            points = [_point(entry) for entry in own]
            bars = [entry.files["int8"].test.accuracy for entry in own]
            x, y = zip(*points, strict=True)
            axes.vlines(
                x, [100 * b.low for b in bars], [100 * b.high for b in bars], color=color,
                alpha=0.25, linewidth=1,
            )  # fmt: skip
            axes.plot(
                x, y, color=color, marker="o", markersize=5, markerfacecolor=fill,
                linestyle=line, linewidth=0.8, label=f"{name}, {how}",
            )  # fmt: skip


def _point(entry: Entry) -> tuple[float, float]:
    return cost(entry.network).ms, 100 * entry.files["int8"].test.accuracy.value


def _write_sides(axes: Any, entries: Sequence[Entry]) -> None:
    """Write beside every point how many pixels its pictures have; none over another."""
    to_points = 72 / axes.figure.dpi
    places = [axes.transData.transform(_point(entry)) * to_points for entry in entries]
    taken = [(float(x), float(y), 6.0, 6.0) for x, y in places]
    written: list[tuple[int, float, float]] = []
    for entry, (x, y) in zip(entries, places, strict=True):
        side = entry.network.resolution
        if any(side == s and abs(x - u) + abs(y - v) < 2 * _LABEL[0] for s, u, v in written):
            continue
        written.append((side, x, y))
        for right, up in _PLACES:
            box = (x + right, y + up + _LABEL[1] / 3, *_LABEL)
            if not any(_overlap(box, other) for other in taken):
                taken.append(box)
                axes.annotate(
                    str(side), _point(entry), fontsize=_FONT - 1,
                    xytext=(right, up), textcoords="offset points", ha="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.3},
                )  # fmt: skip
                break


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two boxes (middle, width, height) share a place."""
    return all(abs(one[i] - other[i]) < (one[i + 2] + other[i + 2]) / 2 for i in (0, 1))


def figures_id(zoo: Zoo) -> str:
    """What tells whether a chart was drawn from these figures."""
    return sha256(repr(list(_drawn(zoo))).encode()).hexdigest()


def _drawn(zoo: Zoo) -> Iterator[tuple[str, str, str]]:
    for entry in zoo.ordered():
        yield entry.network.title, entry.training.words, str(entry.files["int8"])
