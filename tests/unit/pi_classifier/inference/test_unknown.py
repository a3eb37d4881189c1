"""Unknown rejection: what the manifest says, applied by one model, a cascade and the smoother."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.modelfile.writer import with_manifest_entries

from pi_classifier.decision import MultipleSmoother, Smoother, SmootherSettings
from pi_classifier.errors import ConfigError, ModelFileError, ModelMismatch
from pi_classifier.inference.cascade import Cascade, Stage
from pi_classifier.inference.classifier import ModelClassifier, open_classifier, open_model_bytes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.unknown import UnknownRejection
from pi_classifier.modelfile.manifest import UnknownScore, parse_manifest
from pi_classifier.service.counters import Counters
from pi_classifier.service.run_loop import frame_words
from pi_classifier.sinks.json_line import decision_fields
from pi_classifier.sinks.log import fields, message
from pi_classifier.types import Category, Decision, Frame, Prediction

DATA = Path(__file__).resolve().parents[3] / "data"
# Of the models in tests/data: background, cyan, magenta, yellow.
CYAN = Frame(np.full((20, 20, 3), (0, 200, 200), np.uint8), 0, 0)
GRAY = Frame(np.full((20, 20, 3), 120, np.uint8), 0, 0)
# The surer of any label, the more unlike all: only so is every picture of a color unknown.
ALWAYS, NEVER = -1e6, 1e6


def entry(threshold: float, weights: tuple[float, ...] = (-1.0, 0.0, 0.0, 0.0)) -> dict[str, Any]:
    return {
        "score": "log-linear",
        "weights": list(weights),
        "floor": 0.001,
        "threshold": threshold,
    }


def with_entry(
    threshold: float, name: str = "int8", temperature: float = 1.0, **changes: Any
) -> bytes:
    unknown = entry(threshold) | changes
    calibration = {"temperature": temperature}
    content = (DATA / f"{name}.tflite").read_bytes()
    return with_manifest_entries(content, {"unknown": unknown, "calibration": calibration})


def opened(content: bytes, **settings: Any) -> ModelClassifier:
    return open_model_bytes(content, "model.tflite", ModelSettings(cache_dir="", **settings))


@pytest.mark.parametrize("name", ["float32", "int8", "logits"])
def test_a_frame_above_the_threshold_is_unknown(name: str) -> None:
    prediction = opened(with_entry(ALWAYS, name)).classify(CYAN)
    assert prediction.unknown
    assert prediction.top.label == "cyan"
    assert not opened(with_entry(NEVER, name)).classify(CYAN).unknown


def test_a_silent_label_is_an_answer_and_not_unknown() -> None:
    prediction = opened(with_entry(ALWAYS)).classify(GRAY)
    assert prediction.top.label == "background"
    assert not prediction.unknown


@pytest.mark.parametrize("name", ["float32", "logits"])
def test_calibration_and_top_k_play_no_part(name: str) -> None:
    weights = (0.7, -1.1, 0.4, 0.2)
    plain = opened(with_entry(NEVER, name))
    scores = np.zeros(4, np.float32)
    for category in plain.classify(CYAN).categories:
        scores[category.index] = category.score
    own = float(np.log(np.maximum(scores, 0.001)) @ np.array(weights, np.float32))
    for temperature in (0.5, 3.0):
        for off, unknown in ((0.01, False), (-0.01, True)):
            content = with_entry(own + off, name, temperature, weights=list(weights))
            assert opened(content, top_k=1).classify(CYAN).unknown is unknown


def test_the_setting_switches_it_off() -> None:
    assert opened(with_entry(ALWAYS), unknown_rejection="on").classify(CYAN).unknown
    assert not opened(with_entry(ALWAYS), unknown_rejection="off").classify(CYAN).unknown


def test_it_cannot_be_asked_of_a_model_that_does_not_say_how() -> None:
    settings = ModelSettings(path=str(DATA / "int8.tflite"), cache_dir="", unknown_rejection="on")
    with pytest.raises(ConfigError, match=r"int8\.tflite does not say how unknown"):
        open_classifier(settings)


def test_independent_scores_have_none() -> None:
    content = with_entry(NEVER, "independent", weights=[1.0, 1.0, 1.0])
    with pytest.raises(ModelMismatch, match="its scores are independent of one another"):
        opened(content)
    # Nor does it fail its self-test, whatever the settings say of pixels.
    with pytest.raises(ModelMismatch, match="its scores are independent of one another"):
        opened(content, channels="rgb")
    assert not opened(content, unknown_rejection="off").classify(CYAN).unknown


@given(
    st.lists(st.sampled_from([0.0, 1e-4, 1e-3, 0.25, 0.5, 1.0]), min_size=3, max_size=3),
    st.lists(st.sampled_from([-8.0, -0.5, 0.0, 2.5]), min_size=3, max_size=3),
    st.sampled_from([1e-4, 1e-3, 0.3]),
)
def test_the_score_is_the_documented_sum(
    scores: list[float], weights: list[float], floor: float
) -> None:
    expected = sum(w * math.log(max(s, floor)) for w, s in zip(weights, scores, strict=True))
    given_scores = np.array(scores, np.float32)
    for threshold in (expected - 1e-3, expected + 1e-3):
        unknown = UnknownScore(np.array(weights, np.float32), floor, threshold)
        rejection = UnknownRejection(unknown)
        assert rejection.score(given_scores) == pytest.approx(expected, abs=1e-4)
        assert rejection(given_scores) is (threshold < expected)
    assert given_scores.tolist() == np.array(scores, np.float32).tolist()


class TestCascade:
    class Scripted:
        labels = ("a", "b")

        def __init__(self, name: str, score: float, unknown: bool) -> None:
            self.name = name
            self.prediction = Prediction((Category(0, "a", score),), name, 0, 100, unknown)

        def classify(self, frame: Frame) -> Prediction:
            return self.prediction

        def close(self) -> None:
            """Nothing to free."""

    @pytest.mark.parametrize("first", [False, True])
    @pytest.mark.parametrize("last", [False, True])
    def test_an_unknown_frame_is_passed_on_and_the_last_word_counts(
        self, first: bool, last: bool
    ) -> None:
        stages = [self.Scripted("fast", 1.0, first), self.Scripted("slow", 0.1, last)]
        prediction = Cascade([Stage(stage, 0.8) for stage in stages]).classify(CYAN)
        assert prediction.model == ("slow" if first else "fast")
        assert prediction.unknown is (first and last)


KNOWN = Prediction((Category(0, "daisy", 0.9), Category(1, "rose", 0.1)), "m", 0, 5)
UNKNOWN = Prediction(KNOWN.categories, "m", 0, 5, unknown=True)


class TestDecisions:
    def told(self, smoother: Smoother | MultipleSmoother, *seen: Prediction) -> list[Decision]:
        frames = (Frame(CYAN.pixels, n, n * 10**8) for n in range(len(seen)))
        updates = (smoother.update(f, p) for f, p in zip(frames, seen, strict=True))
        return [decision for decision in updates if decision is not None]

    def test_what_is_unknown_is_never_announced(self) -> None:
        assert self.told(Smoother(SmootherSettings()), *[UNKNOWN] * 9) == []

    def test_it_interrupts_the_count_and_ends_a_label_after_patience_frames(self) -> None:
        seen = [KNOWN, KNOWN, UNKNOWN, *[KNOWN] * 3, *[UNKNOWN] * 2, KNOWN, *[UNKNOWN] * 3]
        decisions = self.told(Smoother(SmootherSettings()), *seen)
        found = [(d.sequence, d.label, d.unknown) for d in decisions]
        assert found == [(5, "daisy", False), (11, None, True)]

    def test_of_several_labels_it_ends_all(self) -> None:
        both = Prediction((Category(0, "daisy", 0.9), Category(1, "rose", 0.8)), "m", 0, 5)
        nothing = Prediction(both.categories, "m", 0, 5, unknown=True)
        smoother = MultipleSmoother(SmootherSettings(patience=2))
        decisions = self.told(smoother, both, both, nothing, nothing)
        assert [(d.in_force, d.unknown) for d in decisions] == [
            (("daisy", "rose"), False),
            ((), True),
        ]

    def test_the_log_the_journal_and_json_say_so(self) -> None:
        decision = Decision(None, 0.9, 7, 123, 0, "m", unknown=True)
        assert message(decision) == "I see something unknown"
        assert fields(decision, {})["UNKNOWN"] == "1"
        assert decision_fields(decision)["unknown"] is True
        nothing = Decision(None, 0.9, 7, 123, 0, "m")
        assert message(nothing) == "I see nothing I know"
        assert "UNKNOWN" not in fields(nothing, {})
        assert "unknown" not in decision_fields(nothing)

    def test_they_are_counted_and_told_at_debug(self) -> None:
        counters = Counters()
        for number, prediction in enumerate((KNOWN, UNKNOWN, None)):
            counters.observe(Frame(CYAN.pixels, number, number), prediction)
        assert str(counters).startswith("3 frames (2 classified, 1 of them unknown, 0 dropped)")
        assert frame_words(UNKNOWN).startswith("unknown, else daisy 0.90 by stage 0")


class TestManifest:
    def parsed(self, unknown: object, outputs: int = 4) -> UnknownScore | None:
        return parse_manifest(json.dumps({"unknown": unknown}).encode(), "m.json", outputs).unknown

    def test_without_the_entry_nothing_is_unknown(self) -> None:
        assert parse_manifest(b"{}", "m.json", 4).unknown is None

    def test_one_output_may_stand_for_two_labels(self) -> None:
        unknown = self.parsed(entry(0.5, (1.0, -1.0)), outputs=1)
        assert unknown is not None
        assert unknown.weights.tolist() == [1.0, -1.0]

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"score": "energy"}, r"unknown\.score is 'energy'.*a newer pi-classifier may"),
            ({"score": None}, r"unknown\.score is None"),
            ({"weights": [1.0] * 3}, r"unknown\.weights is .*expected 4 numbers"),
            ({"weights": [1.0] * 5}, r"unknown\.weights is .*expected 4 numbers"),
            ({"weights": [1.0, 1.0, 1.0, "1"]}, r"unknown\.weights is .*expected 4 numbers"),
            ({"weights": [1.0, 1.0, 1.0, 1e7]}, r"unknown\.weights is"),
            ({"weights": 3}, r"unknown\.weights is 3"),
            ({"floor": 0}, r"unknown\.floor is 0; expected a number from 1e-09 to 0\.5"),
            ({"floor": 1.0}, r"unknown\.floor is 1\.0"),
            ({"threshold": None}, r"unknown\.threshold is None; expected a number"),
            ({"threshold": "high"}, r"unknown\.threshold is 'high'"),
            ({"threshold": 1e13}, r"unknown\.threshold is 10000000000000"),
        ],
    )
    def test_a_wrong_value_is_named(self, change: dict[str, Any], says: str) -> None:
        with pytest.raises(ModelFileError, match=says):
            self.parsed(entry(0.5) | change)

    @pytest.mark.parametrize("value", [None, 3, [], "on", {}])
    def test_an_entry_that_is_none(self, value: object) -> None:
        with pytest.raises(ModelFileError, match=r"m\.json\.unknown"):
            self.parsed(value)

    numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers()

    @given(
        st.lists(numbers, max_size=5),
        numbers,
        st.sampled_from([1e-9, 0.5]) | numbers,
    )
    def test_whatever_is_read_can_be_applied(
        self, weights: list[float], threshold: float, floor: float
    ) -> None:
        written = {**entry(0.0), "weights": weights, "threshold": threshold, "floor": floor}
        try:
            unknown = self.parsed(written)
        except ModelFileError:
            return
        assert unknown is not None
        for scores in ([0.0] * 4, [1.0, 0.0, 0.0, 0.0]):
            score = UnknownRejection(unknown).score(np.array(scores, np.float32))
            assert math.isfinite(score)
