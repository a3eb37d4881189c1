"""Drawings for the report: the same bytes every time, and none without a course to be seen."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from pi_classifier_training.reporting.figures import calibration, training_curves

# Made once and kept: with a new cache folder matplotlib would look at every font again.
os.environ.setdefault("MPLCONFIGDIR", f"{tempfile.gettempdir()}/pi-classifier-tests-matplotlib")


def test_equal_figures_give_equal_bytes() -> None:
    bins = [(0.35, 0.5, 4), (0.95, 0.9, 100)]
    assert calibration(bins) == calibration(bins)
    assert "var(--first)" in calibration(bins)


def test_training_curves_need_two_epochs_and_bear_missing_values() -> None:
    assert training_curves([]) is None
    assert training_curves([{"epoch": 0, "validation_accuracy": 0.5}]) is None
    rows: list[dict[str, Any]] = [
        {"epoch": 0, "validation_accuracy": 0.5},
        {"epoch": 1, "loss": float("nan"), "accuracy": 0.4},
        {"epoch": 2, "loss": 1.2, "accuracy": 0.6, "validation_accuracy": 0.7, "phase": "x"},
    ]
    drawing = training_curves(rows)
    assert drawing is not None
    assert "validation photos" in drawing
