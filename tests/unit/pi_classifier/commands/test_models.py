"""What `models` prints of files whose figures are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.modelfile.writer import with_manifest_entries

from pi_classifier.cli import main

DATA = Path(__file__).resolve().parents[3] / "data"
TOLD = {"score": "log-linear", "weights": [0.0] * 4, "floor": 0.001, "threshold": 1.0}
# JSON has integers beyond every float.
HUGE = 10**400


@pytest.mark.parametrize(
    "entries",
    [
        {"unknown": TOLD | {"silenced": HUGE}},
        {"unknown": TOLD | {"silenced": True}},
        {"evaluation": {"top1": HUGE, "n": 3}},
        {"evaluation": {"top1": 0.5, "n": 3, "top1_interval": [None, "a"]}},
        {"evaluation": {"top1": 0.5, "n": 3, "unknown": {"share": -HUGE, "n": []}}},
    ],
)
def test_odd_figures_are_no_percentages(
    entries: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    content = (DATA / "int8.tflite").read_bytes()
    model.write_bytes(with_manifest_entries(content, {"evaluation": {}} | entries))
    assert main(["models", str(model)]) == 0
    rows = dict(row.strip().partition(" ")[::2] for row in capsys.readouterr().out.splitlines())
    told = rows.get("unknown", "") + rows.get("accuracy", "").replace("50.0% top-1", "")
    assert told
    assert "%" not in told
