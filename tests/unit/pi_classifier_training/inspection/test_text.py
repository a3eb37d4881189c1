"""An inspection in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.inspection.text import (
    HEAVIEST,
    inspection_lines,
    many,
    milliseconds,
    size,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"),
     (4_249_999, "4.2 MB"), (123_456_789, "123.5 MB")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (211_880, "211,880"), (999_999, "999,999"), (1_000_000, "1.0 million"),
     (999_949_999, "999.9 million"), (999_950_000, "1.0 billion"),
     (41_100_000_000, "41.1 billion")],
)  # fmt: skip
def test_large_numbers(count: int, text: str) -> None:
    assert many(count) == text


@given(st.sampled_from([0.011, 0.0999, 0.1, 0.994, 0.996, 9.94, 9.96, 99.4, 99.6, 1234.0]))
def test_times_have_two_digits(value: float) -> None:
    said = float(milliseconds(value, 1e6).removeprefix("about ").partition("–")[0])
    assert said == pytest.approx(value, rel=0.051)
    digits = f"{said:g}".replace(".", "").strip("0")
    assert len(digits) <= 2


def record(layers: int = 3, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "file": "int8.tflite", "bytes": 319_454, "gzip_bytes": 250_000, "kind": "int8",
        "usable": True, "name": "flowers", "labels": 5, "labels_source": "metadata",
        "channels": "RGB", "ends_with": "softmax", "golden_vectors": 4,
        "inputs": [{"shape": [1, 96, 96, 3], "dtype": "uint8", "scale": 1.0, "zero_point": 0}],
        "outputs": [{"shape": [1, 5], "dtype": "float32"}],
        "macs": 10_000_000, "parameters": 200_000, "operations": {"CONV_2D": layers, "SOFTMAX": 1},
        "activations": {"peak_bytes": 100_000, "planned_bytes": 120_000, "worst": 1},
        "bytes_by_type": {"int8 weights": 200_000, "int32 biases and factors": 4_000},
        "distinct_weights": 255, "memory_mappable": True, "weight_alignment": 16,
        "layers": [
            {"number": i, "kind": "CONV_2D", "output": [1, 48, 48, 8], "macs": 1000 * (i + 1),
             "parameters": 10 * i}
            for i in range(layers)
        ],
        "estimates": [{"board": "Pi 4", "low_ms": 1.23, "high_ms": 4.56}],
        "estimates_basis": "estimated",
    }  # fmt: skip
    return found | more


def lines(record: dict[str, Any], every_layer: bool = False) -> list[str]:
    return list(inspection_lines(record, every_layer=every_layer))


def test_the_file_and_its_kind_come_first() -> None:
    said = lines(record())
    assert said[0] == "int8.tflite: 319 kB, 250 kB under gzip"
    assert said[1].split(maxsplit=1) == ["kind", "full-integer quantized"]


def test_of_many_layers_the_heaviest_are_shown_heaviest_first() -> None:
    said = lines(record(HEAVIEST + 4))
    at = next(i for i, line in enumerate(said) if "heaviest layers" in line)
    assert said[at] == f"  the {HEAVIEST} heaviest layers"
    numbers = [int(line.split()[0]) for line in said[at + 2 : at + 2 + HEAVIEST]]
    assert numbers == list(range(HEAVIEST + 3, 3, -1))


@pytest.mark.parametrize(("layers", "every"), [(HEAVIEST, False), (HEAVIEST + 4, True)])
def test_all_layers_are_shown_in_order_where_there_are_few_or_all_are_asked_for(
    layers: int, every: bool
) -> None:
    said = lines(record(layers), every)
    at = said.index("  layers")
    numbers = [int(line.split()[0]) for line in said[at + 2 : at + 2 + layers]]
    assert numbers == list(range(layers))


def test_shares_of_work_add_up_to_all() -> None:
    said = lines(record(4), every_layer=True)
    shares = [float(line.split()[4].rstrip("%")) for line in said if "48×48×8" in line]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_a_tensor_with_its_scale() -> None:
    said = "\n".join(lines(record()))
    assert "uint8, 1 × 96 × 96 × 3, scale 1, zero point 0" in said
    assert "float32, 1 × 5\n" in said


def test_a_file_that_cannot_be_used_says_why_and_no_more_about_labels() -> None:
    said = "\n".join(lines(record(usable=False, problem="it has no labels")))
    assert "not yet: it has no labels" in said
    assert "self-test" not in said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"golden_vectors": 0}, "none inside"),
        ({"ends_with": "none"}, "logits (the daemon adds softmax)"),
        ({"stated_kind": "dynamic", "kind_as_stated": False}, "but the file says it is 'dynamic'"),
        ({"evaluation": {"top1": 0.912, "n": 331}}, "91.2% top-1 on 331 photos, as it says"),
        ({"memory_mappable": False}, "no: weights lie at odd places and must be copied"),
        ({"version": "3"}, "flowers, version 3"),
        ({"normalization": {"mean": [127.5], "std": [127.5]}}, "RGB, (x − 127.5) / 127.5"),
        ({"normalization": {"mean": [0.0], "std": [1.0]}}, "RGB, 0 to 255 as they are"),
        ({"normalization": {"mean": [1.0, 2.0, 3.0], "std": [1.0]}}, "(x − [1, 2, 3]) / 1"),
    ],
)
def test_what_else_is_said(more: dict[str, Any], says: str) -> None:
    assert says in "\n".join(lines(record(**more)))
    assert says not in "\n".join(lines(record()))


def test_a_cascade_shows_its_stages_one_after_the_other() -> None:
    stages = [record() | {"accept": 0.7}, record() | {"accept": None}]
    said = lines({"cascade": "flowers", "stages": stages})
    assert said[0] == "cascade flowers of 2 models"
    assert "stage 1, answers from a score of 0.70 on" in said
    assert "stage 2" in said


class TestWords:
    @pytest.mark.parametrize(
        ("low", "high", "text"),
        [
            (0.001, 0.0999, "under 0.1 ms"),
            (0.0049, 0.1, "about 0–0.10 ms"),
            (0.721, 3.24, "about 0.72–3.2 ms"),
            (9.96, 45.6, "about 10.0–46 ms"),
            (89.6, 175.1, "about 90–180 ms"),
        ],
    )
    def test_estimates_have_few_digits(self, low: float, high: float, text: str) -> None:
        assert milliseconds(low, high) == text

    def test_sizes(self) -> None:
        assert [size(n) for n in (0, 999, 1000, 319_454, 4_200_000)] == [
            "0 bytes", "999 bytes", "1 kB", "319 kB", "4.2 MB",
        ]  # fmt: skip
        assert [many(n) for n in (950, 211_880, 1_000_000, 2 * 10**9)] == [
            "950", "211,880", "1.0 million", "2.0 billion",
        ]  # fmt: skip
