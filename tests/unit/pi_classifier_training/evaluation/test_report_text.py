"""Figures in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.evaluation.report_text import (
    LISTED_LABELS,
    between,
    cascade_lines,
    confusion_list,
    difference_words,
    evaluation_lines,
    share,
    top_lines,
)


def difference(points: float, p_value: float) -> str:
    test = {
        "top1_difference": points / 100,
        "top1_difference_interval": [(points - 2) / 100, (points + 1) / 100],
        "p_value": p_value,
    }
    return difference_words(test, 331)


class TestDifference:
    def test_what_chance_explains_is_no_difference(self) -> None:
        assert difference(-1.2, 0.31) == (
            "-1.2 points (-3.2 to -0.2): no real difference can be seen with 331 photos (p = 0.31)"
        )

    def test_what_it_does_not_is_better_or_worse(self) -> None:
        assert difference(+4, 0.012) == "+4.0 points (+2.0 to +5.0): clearly better (p = 0.012)"
        assert difference(-4, 1e-9) == "-4.0 points (-6.0 to -3.0): clearly worse (p = 1e-09)"

    @pytest.mark.parametrize(("p_value", "real"), [(0.0499, True), (0.05, False), (0.0501, False)])
    def test_one_in_twenty_is_the_border(self, p_value: float, real: bool) -> None:
        assert ("clearly" in difference(3, p_value)) == real


def test_shares_and_intervals() -> None:
    record = {
        "n": 341, "top1": 0.874, "top1_interval": [0.8341, 0.9059],
        "cross_entropy": 0.3312, "cross_entropy_interval": [0.2749, 0.3921],
    }  # fmt: skip
    assert share(record, "top1") == "87.4% (83.4%–90.6%, n = 341)"
    assert between(record, "cross_entropy", ".3f") == "0.331 (0.275–0.392)"


class TestConfusionList:
    def test_a_matrix_and_a_list_say_the_same(self) -> None:
        labels = ["a", "b", "c"]
        matrix = [[5, 0, 2], [0, 9, 0], [3, 0, 5]]
        listed = [["b", "b", 9], ["a", "a", 5], ["c", "c", 5], ["c", "a", 3], ["a", "c", 2]]
        from_matrix = confusion_list({"labels": labels, "confusion": matrix})
        assert from_matrix == [tuple(cell) for cell in listed]
        assert confusion_list({"labels": labels, "confusion": listed}) == from_matrix

    def test_three_entries_of_three_labels_are_not_taken_for_a_matrix(self) -> None:
        record = {"labels": ["a", "b", "c"], "confusion": [["a", "b", 1]]}
        assert confusion_list(record) == [("a", "b", 1)]

    def test_nothing_at_all(self) -> None:
        assert confusion_list({"labels": ["a", "b"], "confusion": []}) == []

    @given(
        st.lists(
            st.lists(st.sampled_from([0, 1, 7]), min_size=3, max_size=3), min_size=3, max_size=3
        )
    )
    def test_no_count_is_lost(self, matrix: list[list[int]]) -> None:
        cells = confusion_list({"labels": ["a", "b", "c"], "confusion": matrix})
        assert sum(n for _, _, n in cells) == sum(map(sum, matrix))
        assert [n for _, _, n in cells] == sorted((n for _, _, n in cells), reverse=True)


def evaluation_of(labels: int, **more: Any) -> dict[str, Any]:
    names = [f"label {i}" for i in range(labels)]
    record: dict[str, Any] = {
        "model": "flowers", "split": "test", "n": 10 * labels, "size_bytes": 319_454,
        "latency_ms": 1.234, "unreadable": 0, "labels": names,
        "photos": {"words": f"all {10 * labels} photos"},
        "per_label": {
            name: {"n": 10, "precision": None if i == 0 else 0.5, "recall": i / labels,
                   "f1": i / labels}
            for i, name in enumerate(names)
        },
        "confusion": [[names[1], names[0], 3], [names[0], names[1], 1]],
    }  # fmt: skip
    for key in ("top1", "top3", "top5", "cross_entropy", "calibration_error"):
        record |= {key: 0.5, f"{key}_interval": [0.4, 0.6]}
    return record | more


class TestTopLines:
    @pytest.mark.parametrize(
        ("shares", "heading"),
        [
            ((0.9, 0.97, 0.99), ["top-1", "top-3", "top-5"]),
            ((0.9, 0.97, 1.0), ["top-1", "top-3"]),
            # With three labels the right one is always among the first three.
            ((0.9, 1.0, 1.0), None),
            ((1.0, 1.0, 1.0), None),
        ],
    )
    def test_shares_that_differ_stand_side_by_side(
        self, shares: tuple[float, ...], heading: list[str] | None
    ) -> None:
        figures: dict[str, Any] = {}
        for k, value in zip((1, 3, 5), shares, strict=True):
            figures |= {f"top{k}": value, f"top{k}_interval": [value - 0.02, 1.0]}
        lines = list(top_lines({"float32": figures, "int8": figures}))
        assert (lines[0].split() if lines else None) == heading
        assert len(lines) in (0, 3)
        for line in lines[1:]:
            assert line.count("%–") == len(heading or ())


class TestEvaluationLines:
    def test_the_figures(self) -> None:
        lines = evaluation_lines(evaluation_of(3))
        assert lines[0] == "flowers on all 30 photos"
        assert "  top-1          50.0% (40.0%–60.0%, n = 30)" in lines
        assert "  calibration    off by 50.0% (40.0%–60.0%) on average" in lines
        assert "  size           319 kB" in lines
        assert "  time           1.23 ms a photo (median, this machine)" in lines

    def test_what_is_not_so_is_not_said(self) -> None:
        plain = "\n".join(evaluation_lines(evaluation_of(3)))
        assert "deferred" not in plain
        assert "left out" not in plain
        said = evaluation_lines(evaluation_of(3, deferral_ratio=0.123, unreadable=2))
        assert "  deferred       12.3% of the photos" in said
        assert "  left out       2 unreadable photos" in said

    def test_every_label_has_a_line_and_what_is_not_known_a_dash(self) -> None:
        lines = evaluation_lines(evaluation_of(3))
        assert "  label 0      10     0%      –" in lines
        assert "  label 1      10    33%    50%" in lines

    def test_of_many_labels_the_worst_with_photos_are_listed(self) -> None:
        record = evaluation_of(LISTED_LABELS + 1)
        record["per_label"]["label 1"]["n"] = 0
        lines = evaluation_lines(record)
        title = next(i for i, line in enumerate(lines) if "the 10 worst of 20 labels" in line)
        assert [line.split()[1] for line in lines[title + 1 : title + 4]] == ["0", "2", "3"]
        assert lines[title + 11] == ""

    def test_mistakes_by_how_often(self) -> None:
        lines = evaluation_lines(evaluation_of(3))
        at = lines.index("  most frequent mistakes")
        assert lines[at + 1 :] == [
            "  label 1 taken for label 0: 3 times",
            "  label 0 taken for label 1: once",
        ]
        without = evaluation_lines(evaluation_of(3, confusion=[["label 0", "label 0", 9]]))
        assert "  most frequent mistakes" not in without


def cascade(**more: Any) -> dict[str, Any]:
    def model(name: str, top1: float, frame_ms: float, network_ms: float) -> dict[str, Any]:
        return {
            "name": name, "n": 100, "top1": top1, "top1_interval": [top1 - 0.05, top1 + 0.05],
            "frame_ms": frame_ms, "network_ms": network_ms,
        }  # fmt: skip

    record = {
        "n": 100, "models": [model("fast", 0.8, 1.0, 0.5), model("accurate", 0.9, 4.0, 3.0)],
        "cascade": {"n": 100, "top1": 0.9, "top1_interval": [0.85, 0.95]},
        "thresholds": [0.71], "label_thresholds": [{"daisy": 0.55}], "folders": {},
        "deferral_ratio": 0.25, "cost_ms": 2.0, "cost_ratio": 0.5, "network_cost_ratio": 0.4167,
        "against_last": {"top1_difference": 0.0, "top1_difference_interval": [-0.01, 0.01],
                         "p_value": 1.0},
    }  # fmt: skip
    return record | more


class TestCascadeLines:
    def test_thresholds_accuracies_and_costs(self) -> None:
        lines = list(cascade_lines("c.toml", cascade(), "as given"))
        assert lines[0] == "c.toml: fast answers alone from a score of 0.71 on (as given)"
        assert lines[1] == "  fast answers 'daisy' from 0.55 on"
        assert "  the cascade  90.0% (85.0%–95.0%, n = 100), 2.00 ms a frame" in lines
        assert "  accurate     90.0% (85.0%–95.0%, n = 100), 4.00 ms a frame" in lines
        assert lines[-1] == (
            "  passed on: 25.0% of the photos; 50% of accurate's time for a camera frame here, "
            "42% counting the networks alone"
        )

    def test_one_that_costs_more_than_its_last_model_is_warned_of(self) -> None:
        lines = list(cascade_lines("c", cascade(cost_ratio=1.01, deferral_ratio=0.9), ""))
        assert lines[-1] == (
            "warning: this cascade cannot win: fast takes 1.00 ms for a camera frame, 25% of "
            "accurate's 4.00 ms, so it must answer more than 25% of the frames alone, and on "
            "these photos it answers 10%; accurate alone would be faster"
        )
        assert not any(
            "warning" in line for line in cascade_lines("c", cascade(cost_ratio=1.0), "")
        )

    def test_a_model_as_good_and_not_slower_is_recommended(self) -> None:
        record = cascade()
        record["models"][0]["top1"] = 0.9
        assert list(cascade_lines("c", record, ""))[-1] == (
            "warning: fast alone is as accurate on these photos and not slower; take it instead"
        )

    def test_several_folders_are_told_apart(self) -> None:
        parts = {"garden": cascade(), "kitchen": cascade(deferral_ratio=0.5, cost_ratio=0.75)}
        lines = list(cascade_lines("c", cascade(folders=parts), ""))
        assert (
            "  kitchen: the cascade 90.0% (85.0%–95.0%, n = 100), accurate 90.0%; "
            "50.0% passed on, 75% of its time"
        ) in lines
        one = cascade_lines("c", cascade(folders={"garden": cascade()}), "")
        assert not any(line.startswith("  garden:") for line in one)
