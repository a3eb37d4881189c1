"""Answers of models that never ran: scores and truths as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.evaluation.scoring import Outcomes, Scores


def scores_of(rows: Sequence[Sequence[float]], truth: Sequence[int]) -> Scores:
    """Full scores ``[n, labels]`` with the true index of each photo."""
    n = len(truth)
    return Scores(
        tuple(Photo(Path(f"photos/label/{i}.jpg"), "label") for i in range(n)),
        np.array(rows, np.float32).reshape(n, -1),
        np.array(truth, np.int64),
        np.zeros(n, np.int64),
        np.ones(n, np.int64),
        (),
    )


def outcomes_with(
    tops: Sequence[float],
    right: Sequence[bool],
    given: Sequence[int] | None = None,
    stages: Sequence[int] | None = None,
) -> Outcomes:
    """Answers by the best score and whether it is right; the label given is 0 unless told."""
    n = len(tops)
    top, hit = np.array(tops, np.float32), np.array(right, bool)
    labels = np.array([0] * n if given is None else given, np.int64)
    return Outcomes(
        photos=tuple(Photo(Path(f"photos/label/{i}.jpg"), "label") for i in range(n)),
        truth=np.where(hit, labels, labels + 1),
        given=labels,
        top=top,
        own=np.where(hit, top, 1 - top).astype(np.float32),
        rank=np.where(hit, 0, 1).astype(np.int64),
        stages=np.array([0] * n if stages is None else stages, np.int64),
        latencies_ns=np.full(n, 2_000_000, np.int64),
    )
