"""Golden vectors: few, different from each other, and the same every time."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.errors import ExportError
from pi_classifier_training.modelfile.golden import KEPT, golden_vectors

LABELS = ["red", "green", "blue"]


class Scorer:
    """Scores a picture by its colors; `contrast` 0 says the same of every one."""

    input_size = (24, 24)

    def __init__(self, contrast: float = 1.0) -> None:
        self.contrast = contrast
        self.sides: set[tuple[int, ...]] = set()

    def raw_scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.sides.add(pixels.shape)
        mean = pixels.reshape(-1, 3).mean(axis=0) / 255
        return np.asarray((1 / 3 + self.contrast * (mean - mean.mean())).astype(np.float32))


def test_are_replayed_to_the_scores_they_state() -> None:
    scorer = Scorer()
    vectors = golden_vectors(scorer, LABELS, seed=1)
    assert len(vectors) == KEPT
    assert scorer.sides == {(24, 24, 3)}
    for vector in vectors:
        pixels = np.frombuffer(base64.b64decode(vector["pixels"]), np.uint8)
        mosaic = pixels.reshape(vector["shape"])
        assert mosaic.shape[0] == mosaic.shape[1] in (4, 5, 6, 8)
        # The nearest tile for every pixel, so that colors stay those of the mosaic.
        rows = np.arange(24) * mosaic.shape[0] // 24
        scores = scorer.raw_scores(mosaic[rows][:, rows])
        assert vector["scores"] == pytest.approx(scores.tolist(), abs=2e-3)


def test_differ_from_each_other_more_than_most_do() -> None:
    scores = np.array([v["scores"] for v in golden_vectors(Scorer(), LABELS, seed=1)])
    apart = [np.abs(a - b).sum() for i, a in enumerate(scores) for b in scores[:i]]
    rng = np.random.default_rng(1)
    colors = rng.integers(0, 256, (200, 2, 3))
    some = np.stack([Scorer().raw_scores(c[None].astype(np.uint8)) for c in colors])
    usual = np.abs(some[:100] - some[100:]).sum(axis=1).mean()
    assert min(apart) > usual


def test_of_a_seed_are_the_same_and_of_another_are_not() -> None:
    assert golden_vectors(Scorer(), LABELS, 1) == golden_vectors(Scorer(), LABELS, 1)
    assert golden_vectors(Scorer(), LABELS, 1) != golden_vectors(Scorer(), LABELS, 2)


@pytest.mark.parametrize(("contrast", "refused"), [(0.0, True), (1e-8, True), (1e-4, False)])
def test_a_network_that_says_always_the_same_would_test_nothing(
    contrast: float, refused: bool
) -> None:
    if refused:
        with pytest.raises(ExportError, match="gives every picture the same scores"):
            golden_vectors(Scorer(contrast), LABELS, seed=1)
    else:
        assert len(golden_vectors(Scorer(contrast), LABELS, seed=1)) == KEPT


def test_a_score_that_is_no_number_is_no_difference() -> None:
    with pytest.raises(ExportError, match="gives every picture the same scores"):
        golden_vectors(Scorer(float("nan")), LABELS, seed=1)


def test_labels_and_outputs_must_be_as_many() -> None:
    with pytest.raises(ExportError, match="2 labels for a network with 3 outputs"):
        golden_vectors(Scorer(), LABELS[:2], seed=1)
