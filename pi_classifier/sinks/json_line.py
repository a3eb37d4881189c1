"""A decision as one line of JSON: the same for the same decision, but for when it was made."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from pi_classifier.printable import json_text
from pi_classifier.types import Decision, Detection

SCORE_DECIMALS = 4


def decision_fields(decision: Decision) -> dict[str, Any]:
    """The decision's fields in their fixed order, scores rounded to 4 decimals.

    Where several labels may be in force, they follow, and which of them are new. A "nothing"
    that comes of something unknown says so. The number of the label's visit comes then, and last
    what was seen where, if frames are looked at in parts: boxes are left, top, width and height
    as fractions of the frame. A camera's name comes before all.
    """
    named: dict[str, Any] = {"camera": decision.camera} if decision.camera else {}
    fields = named | {
        "label": decision.label,
        "score": _rounded(decision.score),
        "sequence": decision.sequence,
        "timestamp_ns": decision.timestamp_ns,
        "stage": decision.stage,
        "model": decision.model,
    }
    if decision.several is not None:
        fields["labels"] = [
            {"label": category.label, "score": _rounded(category.score)}
            for category in decision.several.in_force
        ]
        fields["announced"] = list(decision.announced)
    if decision.unknown:
        fields["unknown"] = True
    if decision.visit is not None:
        fields["visit"] = decision.visit
    if decision.detections:
        fields["detections"] = [detection_fields(seen) for seen in decision.detections]
    return fields


def detection_fields(seen: Detection) -> dict[str, Any]:
    """What is seen where: label, score, box, and the number of the visit where it has one."""
    box = [round(side, SCORE_DECIMALS) for side in seen.box]
    fields = {"label": seen.label, "score": _rounded(seen.score), "box": box}
    return fields if seen.visit is None else fields | {"visit": seen.visit}


def decision_line(decision: Decision, wall_clock_ns: int) -> bytes:
    """The decision's line: its fields between the time of now and how long it took.

    In a replay it ends with the picture that tipped it.
    """
    fields = {"time": utc_time(wall_clock_ns)} | decision_fields(decision)
    fields["latency_ms"] = round(decision.latency_ns / 1e6, 3)
    if decision.picture is not None:
        fields["picture"] = decision.picture
    return json_line(fields)


def utc_time(wall_clock_ns: int) -> str:
    """ISO 8601 in UTC with microseconds, such as ``2024-05-01T09:30:00.250000Z``."""
    seconds, nanoseconds = divmod(wall_clock_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _rounded(score: float) -> float | None:
    # JSON knows neither NaN nor infinity.
    return round(float(score), SCORE_DECIMALS) if math.isfinite(score) else None


def json_line(fields: dict[str, Any]) -> bytes:
    """The fields as one line of UTF-8 JSON, newline included."""
    return json_text(fields).encode() + b"\n"
