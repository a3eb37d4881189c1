"""A decision as one line of JSON, the same bytes for the same decision."""

from __future__ import annotations

import math
from typing import Any

from pi_classifier.printable import json_text
from pi_classifier.types import Decision

SCORE_DECIMALS = 4


def decision_fields(decision: Decision) -> dict[str, Any]:
    """The decision's fields in their fixed order, the score rounded to 4 decimals."""
    score = decision.score
    return {
        "label": decision.label,
        # JSON knows neither NaN nor infinity.
        "score": round(float(score), SCORE_DECIMALS) if math.isfinite(score) else None,
        "sequence": decision.sequence,
        "timestamp_ns": decision.timestamp_ns,
        "stage": decision.stage,
        "model": decision.model,
    }


def json_line(fields: dict[str, Any]) -> bytes:
    """The fields as one line of UTF-8 JSON, newline included."""
    return json_text(fields).encode() + b"\n"
