from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import ModelFileError, ModelMismatch
from pi_classifier.inference.cascade import Cascade, Stage
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.types import Category, Frame, Prediction

FRAME = Frame(np.zeros((1, 1, 3), np.uint8), 0, 0)


class Scripted:
    """A classifier whose top score is set from outside."""

    def __init__(self, name: str, score: float = 0.5, labels: tuple[str, ...] = ("a", "b")):
        self.name = name
        self.labels = labels
        self.score = score
        self.asked = 0
        self.closed = 0

    def classify(self, frame: Frame) -> Prediction:
        self.asked += 1
        return Prediction((Category(0, "a", self.score), Category(1, "b", 0.0)), self.name, 0, 100)

    def close(self) -> None:
        self.closed += 1


ACCEPT = 0.8
AROUND = [0.0, math.nextafter(ACCEPT, 0), ACCEPT, math.nextafter(ACCEPT, 1), 1.0]


@given(st.lists(st.sampled_from(AROUND), min_size=1, max_size=30))
def test_a_frame_stops_at_the_first_stage_that_reaches_its_threshold(scores: list[float]) -> None:
    fast, slow = Scripted("fast"), Scripted("slow", 0.1)
    cascade = Cascade([Stage(fast, ACCEPT), Stage(slow, 1.0)])
    for score in scores:
        fast.score = score
        prediction = cascade.classify(FRAME)
        passed = score < ACCEPT
        assert prediction.stage == int(passed)
        assert prediction.model == ("slow" if passed else "fast")
        assert prediction.latency_ns == (200 if passed else 100)
    deferred = sum(score < ACCEPT for score in scores)
    assert slow.asked == deferred


class Naming(Scripted):
    """A classifier that names a given label."""

    top = Category(0, "a", 0.5)

    def classify(self, frame: Frame) -> Prediction:
        return Prediction((self.top,), self.name, 0, 100)


@given(st.sampled_from(AROUND), st.sampled_from(AROUND), st.sampled_from([0, 1]))
def test_a_label_with_its_own_threshold_stops_there(own: float, score: float, index: int) -> None:
    fast, slow = Naming("fast"), Scripted("slow")
    fast.top = Category(index, "ab"[index], score)
    cascade = Cascade([Stage(fast, ACCEPT, {"b": own}), Stage(slow)])
    passed = score < (own if index == 1 else ACCEPT)
    assert cascade.classify(FRAME).stage == int(passed)


def test_a_threshold_of_an_unknown_label_is_refused() -> None:
    stages = [Stage(Scripted("fast"), 0.5, {"c": 0.9}), Stage(Scripted("slow"))]
    with pytest.raises(ModelMismatch, match="label 'c', which fast does not know"):
        Cascade(stages, "flowers")


def test_three_stages_and_the_last_always_answers() -> None:
    stages = [Scripted("one", 0.1), Scripted("two", 0.9), Scripted("three", 0.0)]
    cascade = Cascade([Stage(s, 0.8) for s in stages])
    assert cascade.classify(FRAME).stage == 1
    stages[1].score = 0.2
    assert cascade.classify(FRAME).stage == 2


def test_closes_all_stages() -> None:
    stages = [Scripted("one"), Scripted("two")]
    Cascade([Stage(s) for s in stages]).close()
    assert [s.closed for s in stages] == [1, 1]


@pytest.mark.parametrize(
    ("labels", "says"),
    [(("b", "a"), "in another order"), (("a", "c"), "b, c"), (("a",), "other labels")],
)
def test_stages_must_agree_on_labels(labels: tuple[str, ...], says: str) -> None:
    with pytest.raises(ModelMismatch, match=says) as caught:
        Cascade([Stage(Scripted("fast")), Stage(Scripted("slow", labels=labels))], "flowers")
    assert "flowers" in str(caught.value)
    assert "slow" in str(caught.value)


def test_needs_a_stage() -> None:
    with pytest.raises(ModelMismatch, match="no stages"):
        Cascade([])


GOOD = """
schema_version = 1
name = "flowers"
[[stage]]
model = "fast.tflite"
accept = 0.8
accept_labels = { daisy = 0.6, "red rose" = 1 }
[[stage]]
model = "../other/slow.tflite"
[measured]
n = 12
"""


def test_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cascade.toml"
    path.write_text(GOOD)
    cascade = read_cascade_file(path)
    assert cascade.name == "flowers"
    assert cascade.stages[0].model == tmp_path / "fast.tflite"
    assert cascade.stages[0].accept == 0.8
    assert cascade.stages[0].accept_labels == {"daisy": 0.6, "red rose": 1.0}
    assert cascade.stages[1].accept_labels == {}
    assert cascade.stages[1].model == tmp_path / "../other/slow.tflite"
    assert cascade.stages[1].accept is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("stage = [", "is not TOML"),
        ('[[stage]]\nmodel = "a.tflite"\n' * 17, "17 stages; expected 16 at most"),
        ("", "has no stages"),
        ("stage = []", "has no stages"),
        ("stage = [3]", "stage 1 is 3"),
        ("schema_version = 2", "schema_version is 2"),
        ("nam = 1\n[[stage]]\nmodel='a'", "no key 'nam'"),
        ("name = 1\n[[stage]]\nmodel='a'", "name is 1"),
        ("[[stage]]\naccept = 0.5", "stage 1: model is missing"),
        ("[[stage]]\nmodel = 3", "stage 1: model is 3"),
        ("[[stage]]\nmodel = 'a'\naccpt = 1", "stage 1: there is no key 'accpt'"),
        ("[[stage]]\nmodel = 'a'\naccept = 1.5", "accept is 1.5"),
        ("[[stage]]\nmodel = 'a'\naccept = true", "accept is True"),
        ("[[stage]]\nmodel = 'a'\naccept = nan", "accept is nan"),
        ("[[stage]]\nmodel = 'a'\naccept = '1'", "accept is '1'"),
        ("[[stage]]\nmodel = 'a'\naccept_labels = 0.5", "accept_labels is 0.5"),
        ("[[stage]]\nmodel = 'a'\naccept_labels = {x = -1}", "accept_labels.x is -1"),
    ],
)
def test_says_what_is_wrong_with_the_file(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "cascade.toml"
    path.write_text(content)
    with pytest.raises(ModelFileError, match=says) as caught:
        read_cascade_file(path)
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such cascade file"):
        read_cascade_file(tmp_path / "cascade.toml")
