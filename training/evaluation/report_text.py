"""Figures as lines a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def share(record: Mapping[str, Any], key: str) -> str:
    """A fraction with its interval and count, such as ``87.4 % (83.4–90.6 %, n = 341)``."""
    low, high = record[f"{key}_interval"]
    return f"{record[key]:.1%} ({low:.1%}–{high:.1%}, n = {record['n']})"


def evaluation_lines(record: Mapping[str, Any]) -> list[str]:
    """The lines ``evaluate`` prints."""
    lines = [
        f"{record['model']} on {record['n']} photos (split: {record['split']})",
        f"  top-1          {share(record, 'top1')}",
        f"  top-3          {share(record, 'top3')}",
        f"  top-5          {share(record, 'top5')}",
        f"  cross-entropy  {record['cross_entropy']:.3f}",
        f"  calibration    off by {record['calibration_error']:.1%} on average",
        f"  time           {record['latency_ms']:.2f} ms a photo (median, this machine)",
    ]
    if "deferral_ratio" in record:
        lines.append(f"  deferred       {record['deferral_ratio']:.1%} of the photos")
    if record["unreadable"]:
        lines.append(f"  left out       {record['unreadable']} unreadable photos")
    return lines
