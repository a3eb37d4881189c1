"""A decision as one line of JSON, the same bytes for the same decision."""

from __future__ import annotations

import math
from typing import Any

from pi_classifier.printable import json_text
from pi_classifier.types import Decision

SCORE_DECIMALS = 4


def decision_fields(decision: Decision) -> dict[str, Any]:
    """The decision's fields in their fixed order, scores rounded to 4 decimals.

    Where several labels may be in force, they follow, and which of them are new.
    """
    fields: dict[str, Any] = {
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
    return fields


def _rounded(score: float) -> float | None:
    # JSON knows neither NaN nor infinity.
    return round(float(score), SCORE_DECIMALS) if math.isfinite(score) else None


def json_line(fields: dict[str, Any]) -> bytes:
    """The fields as one line of UTF-8 JSON, newline included."""
    return json_text(fields).encode() + b"\n"
