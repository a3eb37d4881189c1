"""What is said of a delivery: in a few lines, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pi_classifier_training.inspection.estimates import board_called
from pi_classifier_training.reporting.page import Section
from pi_classifier_training.reporting.report import REPORT_FILE, report_lines
from pi_classifier_training.reporting.subject import Delivered, ReportOptions
from pi_classifier_training.search.delivery import COPY_FOLDER, DELIVERY_FILE
from pi_classifier_training.search.order import Order


def figure_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """How good the delivery is, on photos that chose nothing, and what it costs."""
    test, said = record["test"], record["test"]["said"]
    low, high = test["top1_interval"]
    right = f"{test['top1']:.1%} right ({low:.1%} to {high:.1%})"
    yield f"On {test['n']} photos that chose nothing: {right}"
    if said["n"]:
        spoken, wrong = said["named"] / said["n"], said["wrong"] / said["n"]
        yield (
            f"Shown {said['n']} of these one by one it would speak of {spoken:.0%} and be wrong "
            f"about {wrong:.1%} (scores from {record['threshold']:g} on; in use several frames "
            "must agree)"
        )
    if (unknown := record["unknown"]) is not None:
        low, high = unknown["share_interval"]
        yield (
            f"Of {unknown['n']} photos of nothing it would announce {unknown['share']:.1%} "
            f"({low:.1%} to {high:.1%})"
        )
    board = board_called(record["board"]).name
    yield (
        f"A picture takes about {record['low_ms']:.0f} to {record['high_ms']:.0f} ms on a "
        f"{board} (estimated), {record['here_ms']:.1f} ms here; "
        f"{record['kb']:.0f} kB in all"
    )
    if record["accept"]:
        yield (
            f"{record['models'][0]['file']} answers alone from a score of {record['accept'][0]:g} "
            f"on; {record['deferral']:.0%} of the photos go on to {record['models'][1]['file']}"
        )
    for model in record["models"]:
        yield f"{model['file']}: {model['why']}"
        yield from (f"{model['file']}: {note}" for note in model["notes"])


def report_options(
    order: Order,
    record: Mapping[str, Any],
    output_dir: Path,
    command: tuple[str, ...] = (),
    **others: Any,
) -> ReportOptions:
    """For a report on what was delivered in `output_dir`; `command` is what asks for it again."""
    folder = output_dir / COPY_FOLDER
    delivered = Delivered(folder, order.name, record["threshold"], command)
    return ReportOptions(delivered=delivered, **others)


def report_on(
    order: Order, output_dir: Path, options: ReportOptions, first: Sequence[Section] = ()
) -> Iterator[str]:
    """Write the report, unless it is newer than the delivery; yield what it says in short."""
    path = output_dir / REPORT_FILE
    if _is_newer(path, output_dir / DELIVERY_FILE):
        yield f"All of it, with pictures: {path} (written before)"
        return
    yield from report_lines(order.runs[-1], order.image_dirs, path, options, first)


def _is_newer(path: Path, than: Path) -> bool:
    return path.exists() and path.stat().st_mtime_ns >= than.stat().st_mtime_ns
