"""What every training shares: weights of labels, random numbers, the end."""

from __future__ import annotations

import math
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.retraining.checkpoint import Checkpoint
from pi_classifier_training.retraining.epochs import (
    Row,
    Stopper,
    epoch_rng,
    figures_of,
    label_weights,
    planned,
)
from pi_classifier_training.retraining.trainer import _batches

COUNTS = st.lists(st.sampled_from([1, 2, 3, 10, 14, 15, 16, 100]), min_size=2, max_size=5)


@given(COUNTS)
def test_rare_labels_weigh_more_and_the_mean_over_photos_is_one(counts: list[int]) -> None:
    indices = np.repeat(np.arange(len(counts)), counts)
    weights = label_weights(indices, len(counts), "auto")
    assert weights[indices].mean() == pytest.approx(1, rel=1e-5)
    if max(counts) <= 1.5 * min(counts):
        assert weights.tolist() == [1] * len(counts)
    else:
        shares = weights * counts
        assert shares == pytest.approx(shares.mean(), rel=1e-5)
    assert label_weights(indices, len(counts), "none").tolist() == [1] * len(counts)


@pytest.mark.parametrize(
    ("epochs", "steps", "an_epoch", "expected"),
    [(3, None, 10, (3, 30)), (3, 10, 10, (1, 10)), (3, 11, 10, (2, 11)), (9, 1, 10, (1, 1))],
)
def test_steps_count_instead_of_epochs(
    epochs: int, steps: int | None, an_epoch: int, expected: tuple[int, int]
) -> None:
    assert planned(epochs, steps, an_epoch) == expected


def test_every_epoch_has_random_numbers_of_its_own() -> None:
    assert epoch_rng(1, 2).permutation(9).tolist() == epoch_rng(1, 2).permutation(9).tolist()
    assert epoch_rng(1, 2).permutation(9).tolist() != epoch_rng(2, 1).permutation(9).tolist()


@given(st.sampled_from([1, 15, 16, 17, 32, 33]), st.sampled_from([1, 15, 16, 17, 40]))
def test_every_photo_comes_once_an_epoch(photos: int, batch: int) -> None:
    found = list(_batches(epoch_rng(1, 2), photos, batch))
    assert sorted(np.concatenate(found).tolist()) == list(range(photos))
    assert [len(rows) for rows in found[:-1]] == [batch] * (math.ceil(photos / batch) - 1)


def test_figures_are_accuracy_and_cross_entropy() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], np.float32))
    row = figures_of(logits + 40, np.array([1, 1]))
    assert row["validation_accuracy"] == 0.5
    assert row["validation_cross_entropy"] == pytest.approx(-(math.log(0.25) + math.log(0.8)) / 2)


def ends(entropies: list[float], patience: int) -> tuple[int, int | None]:
    """After which epoch training ends, and the epoch whose weights are kept."""
    stopper = Stopper(patience)
    epoch = 0
    while epoch < len(entropies) and not stopper.ended:
        row: Row = {"validation_cross_entropy": entropies[epoch]}
        epoch += 1
        now = [np.array(epoch)]
        stopper.watch(row, now.copy)
    return epoch, None if stopper.best is None else int(stopper.best[0])


@pytest.mark.parametrize(
    ("patience", "expected"), [(0, (6, None)), (1, (3, 2)), (2, (6, 4)), (3, (6, 4))]
)
def test_training_ends_when_validation_gets_no_better(
    patience: int, expected: tuple[int, int | None]
) -> None:
    # The fifth epoch is as good as the fourth, not better.
    assert ends([0.9, 0.5, 0.6, 0.4, 0.4, 0.7], patience) == expected


def test_a_stopper_goes_on_where_it_was() -> None:
    stopper, again = Stopper(2), Stopper(2)
    for entropy in (0.5, 0.6):
        stopper.watch({"validation_cross_entropy": entropy}, lambda: [np.ones(1)])
    again.restore(stopper.as_dict(), stopper.best)
    again.watch({"validation_cross_entropy": 0.55}, lambda: [np.zeros(1)])
    assert again.ended
    fresh = Stopper(2)
    fresh.restore(Stopper(2).as_dict(), None)
    assert fresh.best_entropy == math.inf


class TestCheckpoint:
    def test_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "recipe")
        arrays = {"weights": [np.arange(3.0), np.zeros((2, 0))], "best": []}
        checkpoint.save(arrays, {"history": [{"loss": 0.25}]})
        saved = checkpoint.load()
        assert saved is not None
        assert [a.tolist() for a in saved.arrays["weights"]] == [[0, 1, 2], [[], []]]
        assert saved.arrays["best"] == []
        assert saved.state == {"history": [{"loss": 0.25}]}

    @pytest.mark.parametrize("damage", ["other", "cut", "empty", "missing"])
    def test_of_another_recipe_or_damaged_is_not_used(
        self, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "checkpoint.npz"
        Checkpoint(path, "recipe").save({"weights": [np.arange(900.0)]}, {})
        whole = path.read_bytes()
        if damage == "cut":
            path.write_bytes(whole[:500])
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "missing":
            path.unlink()
        assert Checkpoint(path, "other" if damage == "other" else "recipe").load() is None
        assert ("starting over" in caplog.text) == (damage != "missing")

    def test_on_a_full_disk_the_one_before_stays(self, tmp_path: Path) -> None:
        checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "recipe")
        checkpoint.save({"weights": [np.arange(3.0)]}, {"epoch": 1})
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            with pytest.raises(OSError, match=r"too large"):
                checkpoint.save({"weights": [np.arange(3000.0)]}, {"epoch": 2})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        saved = checkpoint.load()
        assert saved is not None
        assert saved.state == {"epoch": 1}
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]
