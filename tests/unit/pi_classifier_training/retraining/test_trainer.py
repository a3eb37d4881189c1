"""How a training goes through its photos."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.retraining.epochs import (
    epoch_rng,
)
from pi_classifier_training.retraining.trainer import _batches


@given(st.sampled_from([1, 15, 16, 17, 32, 33]), st.sampled_from([1, 15, 16, 17, 40]))
def test_every_photo_comes_once_an_epoch(photos: int, batch: int) -> None:
    found = list(_batches(epoch_rng(1, 2), photos, batch))
    assert sorted(np.concatenate(found).tolist()) == list(range(photos))
    assert [len(rows) for rows in found[:-1]] == [batch] * (math.ceil(photos / batch) - 1)
