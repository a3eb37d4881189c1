from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pi_classifier.errors import ConfigError, ModelFileError, ModelMismatch
from pi_classifier.inference.classifier import ModelClassifier, open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.manifest import GoldenVector
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.types import Frame

DATA = Path(__file__).resolve().parents[3] / "data"
Scores = NDArray[np.float32]


class Fixed:
    """Stands in for an interpreter: gives set scores, remembers what it was shown."""

    runtime = "none"

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array(scores, np.float32)
        self.shown: list[NDArray[np.uint8]] = []
        self.closed = 0

    def invoke(self, pixels: NDArray[np.uint8]) -> Scores:
        self.shown.append(pixels.copy())
        return self.scores

    def close(self) -> None:
        self.closed += 1


def model(labels: int = 4, **changes: object) -> ModelFile:
    """The model file of the fixtures, without its golden vectors unless given."""
    base = read_model_file(DATA / "uint8.tflite")
    changes = {"golden": (), **changes}
    manifest = dataclasses.replace(base.manifest, **changes)  # type: ignore[arg-type]
    names = tuple(f"label {i}" for i in range(labels))
    return dataclasses.replace(base, manifest=manifest, labels=names)


def classifier(scores: list[float], top_k: int = 0, **changes: object) -> ModelClassifier:
    return ModelClassifier(model(len(scores), **changes), Fixed(scores), top_k)  # type: ignore[arg-type]


FRAME = Frame(np.zeros((40, 60, 3), np.uint8), 0, 0)
VALUES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


@given(st.lists(VALUES, min_size=4, max_size=30), st.integers(0, 31))
def test_categories_are_the_best_in_order(scores: list[float], top_k: int) -> None:
    prediction = classifier(scores, top_k).classify(FRAME)
    count = min(top_k or len(scores), len(scores))
    # Of equal scores the first output wins.
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:count]
    assert [c.index for c in prediction.categories] == expected
    assert [c.score for c in prediction.categories] == pytest.approx([scores[i] for i in expected])
    assert [c.label for c in prediction.categories] == [f"label {i}" for i in expected]
    assert prediction.stage == 0
    assert prediction.model == "colors-uint8"
    assert prediction.latency_ns > 0


def test_frames_are_cropped_to_the_model() -> None:
    made = classifier([1.0, 0, 0, 0])
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :10] = pixels[:, 50:] = 255
    made.classify(Frame(pixels, 0, 0))
    shown = made._interpreter.shown[-1]  # type: ignore[attr-defined]
    assert shown.shape == (16, 16, 3)
    assert shown.max() == 0


GOLDEN = GoldenVector(np.zeros((4, 4, 3), np.uint8), np.array([0.7, 0.1, 0.1, 0.1], np.float32))


@pytest.mark.parametrize("first", [0.66, 0.7, 0.74])
def test_golden_vector_within_tolerance(first: float) -> None:
    made = classifier([first, 0.1, 0.1, 0.1], golden=(GOLDEN,), golden_tolerance=0.05)
    assert made._interpreter.shown[0].shape == (16, 16, 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("first", [0.64, 0.76, 0.0])
def test_golden_vector_that_does_not_reproduce(first: float) -> None:
    good = dataclasses.replace(GOLDEN, scores=np.array([first, 0.1, 0.1, 0.1], np.float32))
    with pytest.raises(ModelMismatch, match="golden vector 2 of 2 gives 'label 0'") as caught:
        classifier([first, 0.1, 0.1, 0.1], golden=(good, GOLDEN), golden_tolerance=0.05)
    assert "expected 0.700 within 0.05" in str(caught.value)


def test_not_a_number_fails_the_self_test() -> None:
    with pytest.raises(ModelMismatch, match="self-test"):
        classifier([float("nan"), 0.1, 0.1, 0.1], golden=(GOLDEN,))


class TestWhatIsOpened:
    def test_folder_with_two_models(self, tmp_path: Path) -> None:
        for name in ("a.tflite", "b.tflite"):
            (tmp_path / name).write_bytes(b"")
        with pytest.raises(ModelFileError, match=r"name one of them: a\.tflite, b\.tflite"):
            open_classifier(ModelSettings(path=str(tmp_path)))

    @pytest.mark.parametrize(
        ("stated", "named"),
        [
            ({"channels": "bgr"}, "model.channels"),
            ({"mean": (99.0,) * 3, "std": (9.0,) * 3}, "model.mean and model.std"),
        ],
    )
    def test_pixels_that_are_not_as_the_file_says(
        self, stated: dict[str, Any], named: str
    ) -> None:
        settings = ModelSettings(path=str(DATA / "float32.tflite"), cache_dir="", **stated)
        with pytest.raises(ModelMismatch, match=f"self-test with {named} as configured.*remove"):
            open_classifier(settings)

    def test_half_a_normalization(self) -> None:
        settings = ModelSettings(path=str(DATA / "uint8.tflite"), mean=(1.0, 2.0, 3.0))
        with pytest.raises(ConfigError, match="needs both"):
            open_classifier(settings)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="no such file"):
            open_classifier(ModelSettings(path=str(tmp_path / "none.tflite")))
