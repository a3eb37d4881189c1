"""Figures as lines a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# More labels than this are not listed one by one.
LISTED_LABELS = 20
WORST = 10


def share(record: Mapping[str, Any], key: str) -> str:
    """A fraction with its interval and count, such as ``87.4 % (83.4–90.6 %, n = 341)``."""
    low, high = record[f"{key}_interval"]
    return f"{record[key]:.1%} ({low:.1%}–{high:.1%}, n = {record['n']})"


def between(record: Mapping[str, Any], key: str, form: str) -> str:
    """A figure with its interval, such as ``0.331 (0.275–0.392)``; `form` as in format()."""
    low, high = record[f"{key}_interval"]
    return f"{record[key]:{form}} ({low:{form}}–{high:{form}})"


def evaluation_lines(record: Mapping[str, Any]) -> list[str]:
    """The lines ``evaluate`` prints."""
    lines = [
        f"{record['model']} on {record['n']} photos (split: {record['split']})",
        f"  top-1          {share(record, 'top1')}",
        f"  top-3          {share(record, 'top3')}",
        f"  top-5          {share(record, 'top5')}",
        f"  cross-entropy  {between(record, 'cross_entropy', '.3f')}",
        f"  calibration    off by {between(record, 'calibration_error', '.1%')} on average",
        f"  size           {record['size_bytes'] / 1000:.0f} kB",
        f"  time           {record['latency_ms']:.2f} ms a photo (median, this machine)",
    ]
    if "deferral_ratio" in record:
        lines.append(f"  deferred       {record['deferral_ratio']:.1%} of the photos")
    if record["unreadable"]:
        lines.append(f"  left out       {record['unreadable']} unreadable photos")
    return [*lines, *_label_lines(record["per_label"]), *_confusion_lines(record)]


def _label_lines(per_label: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    shown = list(per_label.items())
    title = "labels"
    if len(shown) > LISTED_LABELS:
        with_photos = [(label, f) for label, f in shown if f["n"]]
        shown = sorted(with_photos, key=lambda item: item[1]["f1"])[:WORST]
        title = f"the {len(shown)} worst of {len(with_photos)} labels"
    width = max(len(title), *(len(label) for label, _ in shown))
    yield ""
    yield f"  {title:{width}}  photos  found  of those given it, right"
    for label, f in shown:
        yield (
            f"  {label:{width}}  {f['n']:6}  {_percent(f['recall']):>5}  "
            f"{_percent(f['precision']):>5}"
        )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _confusion_lines(record: Mapping[str, Any]) -> Iterator[str]:
    found = [
        (true, given, count) for true, given, count in confusion_list(record) if true != given
    ]
    if not found:
        return
    yield ""
    yield "  most frequent mistakes"
    for true, given, count in found[:WORST]:
        times = "once" if count == 1 else f"{count} times"
        yield f"  {true} taken for {given}: {times}"


def confusion_list(record: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """The confusion of a record as (true label, given label, count), most frequent first."""
    labels: Sequence[str] = record["labels"]
    confusion = record["confusion"]
    if confusion and len(confusion[0]) == len(labels) and not isinstance(confusion[0][0], str):
        cells = [
            (labels[i], labels[j], int(count))
            for i, row in enumerate(confusion)
            for j, count in enumerate(row)
            if count
        ]
        return sorted(cells, key=lambda cell: -cell[2])
    return [(true, given, int(count)) for true, given, count in confusion]
