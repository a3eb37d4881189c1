"""The figures as a table for people, and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import (
    budget,
    camera,
    cameras,
    frame_time,
    gate,
    growth,
    head,
    imports,
    log,
    memory,
    service,
    soak,
    speech,
    start,
    tiles,
    training,
)
from benchmarks.figures import Figure
from pi_classifier import __version__

_HEADER = ("", "ours", "peer", "", "ratio", "quartiles", "aim", "")
_RIGHT = (1, 2, 4)
_ABOUT = {
    frame_time.SECTION: (
        "camera frame → gate → preprocess → interpreter → classifier → smoother, per frame;",
        "the bare interpreter runs the same model in turn with it, both on one thread",
    ),
    start.SECTION: (
        "from the start of the process to the first line on its standard output; one photo,",
        "speech off; the daemon decides after three frames (decision.patience), which come at",
        "240 a second here, the bare loop prints the first frame's label",
    ),
    memory.SECTION: (
        "of the running program: one 640×480 photo, ten frames a second, speech off;",
        "MB are 10⁶ bytes; pages of files can be dropped and read again at any time",
    ),
    imports.SECTION: ("modules' own time up to the first label, by package; importtime slows it",),
    **training.ABOUT,
    **head.ABOUT,
    **service.ABOUT,
    **speech.ABOUT,
    **log.ABOUT,
    **camera.ABOUT,
    **cameras.ABOUT,
    **budget.ABOUT,
    **tiles.ABOUT,
    **gate.ABOUT,
    **growth.ABOUT,
    **soak.ABOUT,
}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "pi_classifier": __version__,
        "python": platform.python_version(),
        "runtime": _installed("ai-edge-litert") or _installed("tflite-runtime"),
        "numpy": _installed("numpy"),
        "pillow": _installed("pillow"),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 1),
    }


def _installed(package: str) -> str | None:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name: the board's on a Raspberry Pi."""
    for path, key in (("/proc/device-tree/model", ""), ("/proc/cpuinfo", "model name")):
        try:
            text = Path(path).read_text("utf-8", "replace")
        except OSError:
            continue
        for line in text.strip("\0\n").splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip() if key else line
    return platform.machine()


def as_json(about: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """One JSON object: `machine`, `options`, `figures`."""
    content = {**about, "figures": [figure.as_json() for figure in figures]}
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def heading(facts: Mapping[str, Any]) -> str:
    """The first lines of the report."""
    parts = [facts[key] for key in ("runtime", "numpy", "pillow") if facts[key]]
    return (
        f"pi-classifier {facts['pi_classifier']}, Python {facts['python']}, {', '.join(parts)}\n"
        f"{facts['processor']}, {facts['processors']} processors, "
        f"load average before the start {facts['load_1min']}\n"
        "Times are medians. Ratios are ours divided by the peer's in the same run."
    )


def section(figures: Sequence[Figure]) -> str:
    """The figures of one section as a table, by model."""
    name = figures[0].section
    lines = [f"\n{name}", *(f"  {line}" for line in _ABOUT[name])]
    rows = [_HEADER, *_rows(figures)]
    used = [column for column in range(len(_HEADER)) if any(row[column] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in used}
    for row in rows:
        cells = (
            row[column].rjust(width) if column in _RIGHT else row[column].ljust(width)
            for column, width in widths.items()
        )
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _rows(figures: Sequence[Figure]) -> Iterator[tuple[str, ...]]:
    subject, name = "", ""
    for each in figures:
        if each.subject != subject:
            subject, name = each.subject, ""
            yield (subject, *[""] * (len(_HEADER) - 1))
        label, ours = ("", "") if each.name == name else (f"  {each.name}", _value(each))
        name = each.name
        yield label, ours, *_beside(each)


def _value(figure: Figure) -> str:
    return f"{figure.ours:.{_digits(figure)}f} {figure.unit}"


def _digits(figure: Figure) -> int:
    return {"ms": 3, "s": 3, "MB": 1, "of 10": 1, "%": 1, "points": 2}.get(figure.unit, 0)


def _beside(figure: Figure) -> tuple[str, ...]:
    verdict = {True: "reached", False: "NOT reached", None: ""}[figure.reached]
    peers = "" if figure.peers is None else f"{figure.peers:.{_digits(figure)}f} {figure.unit}"
    return (
        peers,
        figure.peer or "",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "" if figure.quartiles is None else "{:.2f}–{:.2f}".format(*figure.quartiles),
        "" if figure.aim is None else str(figure.aim),
        verdict,
    )
