"""What quantize says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.compression.layer_errors import LayerError
from pi_classifier_training.compression.quantization import Comparison, Quantized
from pi_classifier_training.compression.quantization_aware import Aware, AwareOptions
from pi_classifier_training.compression.quantization_text import (
    WORDS,
    layer_lines,
    quantized_lines,
)
from pi_classifier_training.evaluation.report_text import difference_words


def comparison(lost: int = 3, won: int = 1) -> Comparison:
    test = {
        "only_first_right": lost, "only_this_right": won, "p_value": 0.625,
        "top1_difference": (won - lost) / 100, "top1_difference_interval": [-0.06, 0.02],
    }  # fmt: skip
    before: dict[str, Any] = {"top1": 0.9, "top3": 0.97, "top5": 1.0, "cross_entropy": 0.31}
    after: dict[str, Any] = {"top1": 0.88, "top3": 0.96, "top5": 1.0, "cross_entropy": 0.345}
    for figures in (before, after):
        figures |= {f"top{k}_interval": [figures[f"top{k}"] - 0.05, 1.0] for k in (1, 3, 5)}
    return Comparison(100, before, after, test)


def aware(*losses: float, chosen: int) -> Aware:
    nothing: Any = None
    return Aware(nothing, losses, chosen, AwareOptions(epochs=len(losses) - 1))


def quantized(**changes: Any) -> Quantized:
    values: dict[str, Any] = {
        "path": Path("run/int8.tflite"), "kind": "int8", "size_bytes": 250_400,
        "float_bytes": 900_000, "splits": {"test": comparison()}, "layers": (), "training": None,
    }  # fmt: skip
    return Quantized(**values | changes)


def test_size_and_figures_of_each_split() -> None:
    assert list(quantized_lines(quantized())) == [
        f"run/int8.tflite: {WORDS['int8']}",
        "  size           250 kB, 28% of the float network",
        "  test           90.0% of 100 photos right in floats, 88.0% now: 3 lost, 1 won",
        f"                 {difference_words(comparison().test, 100)}",
        "                 cross-entropy 0.310 in floats, 0.345 now",
        "                            top-1                   top-3",
        "                 in floats  90.0% (85.0%–100.0%)    97.0% (92.0%–100.0%)",
        "                 now        88.0% (83.0%–100.0%)    96.0% (91.0%–100.0%)",
    ]


@pytest.mark.parametrize(
    ("losses", "chosen", "says"),
    [
        ((0.05, 0.02, 0.03), 1, "scores 0.0500 before, 0.0200 after epoch 1 (kept)"),
        ((0.05, 0.06), 0, "no epoch came closer than the untrained start (0.0500)"),
    ],
)
def test_what_training_brought(losses: tuple[float, ...], chosen: int, says: str) -> None:
    lines = list(quantized_lines(quantized(kind="qat", training=aware(*losses, chosen=chosen))))
    assert says in lines[2]


def test_the_record_is_what_json_can_hold() -> None:
    layers = (LayerError("stem", "CONV_2D", 31.234567, 0.00123456),)
    record = quantized(layers=layers, training=aware(0.05, 0.0200004, chosen=1)).as_dict()
    assert record["splits"]["test"]["test"]["only_first_right"] == 3
    assert record["layers"] == [
        {"layer": "stem", "operation": "CONV_2D", "sqnr_db": 31.23, "alone": 0.001235}
    ]
    assert record["training"]["validation_losses"] == [0.05, 0.02]
    assert record["training"]["chosen_epoch"] == 1
    options = {"epochs": 1, "rate": 1e-4, "batch": 32, "seed": 1, "per_label": None}
    assert record["training"]["options"] == options


def layers(last_db: float, *alone: float | None) -> list[str]:
    errors = [LayerError(f"layer{i}", "CONV_2D", 30.0, a) for i, a in enumerate(alone)]
    return list(layer_lines([*errors, LayerError("scores", "SOFTMAX", last_db, None)]))


class TestLayers:
    @pytest.mark.parametrize(
        ("db", "verdict"),
        [
            (20.0, "small"),
            (19.9, "noticeable"),
            (10.0, "noticeable"),
            (9.9, "as large as to matter"),
        ],
    )
    def test_the_error_of_the_scores_is_judged(self, db: float, verdict: str) -> None:
        assert (
            f"The error in the scores is {verdict}: {db:.1f} dB below them" in layers(db, 0.1)[-2]
        )

    def test_the_three_that_hurt_most_are_named(self) -> None:
        assert layers(30.0, 0.01, 0.04, 0.02, 0.03)[-1] == (
            "What hurts most when quantized alone: layer1 (0.0400), layer3 (0.0300), "
            "layer2 (0.0200)."
        )

    def test_where_nothing_is_known_of_single_layers_nothing_is_said(self) -> None:
        lines = layers(30.0, None, None)
        assert "What hurts" not in "\n".join(lines)
        assert lines[2] == "layer0  CONV_2D                 30.0 dB              "

    def test_without_layers_there_is_no_table(self) -> None:
        assert list(layer_lines([])) == []
