"""The state of a training on disk: as it was written, or not used."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.retraining.checkpoint import Checkpoint


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
