"""Teachers are asked once for each view, and only about what they know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import Images, Photo
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.network import Network, NetworkSpec
from pi_classifier_training.retraining.teacher_targets import TeacherTargets

SIDE = 96


def images(labels: tuple[str, ...]) -> Images:
    """One picture of noise for each label."""
    pixels = np.random.default_rng(1).integers(0, 256, (len(labels), 120, 120, 3), np.uint8)
    return Images(
        tuple(Photo(Path(f"{label}.png"), label) for label in labels),
        pixels,
        np.arange(len(labels)),
        np.ones(len(labels), np.float32),
        (),
    )


def teacher(*labels: str) -> Network:
    return Network(NetworkSpec("mobilenet_v1", 0.25, SIDE), labels)


LABELS = ("ant", "bee", "cat")


def test_scores_are_kept(tmp_path: Path) -> None:
    targets = TeacherTargets((teacher(*LABELS),), images(LABELS), LABELS, 1, tmp_path / "scores")
    first = targets.scores(0, 0.25)
    assert first.shape == (3, 3)
    assert np.allclose(first.sum(axis=1), 1, atol=1e-5)
    kept = list((tmp_path / "scores").glob("*.npy"))
    assert len(kept) == 1
    np.save(kept[0], first[::-1])  # what is kept is what is given
    assert np.array_equal(targets.scores(0, 0.25), first[::-1])
    kept[0].write_bytes(b"damaged")
    assert np.allclose(targets.scores(0, 0.25), first, atol=1e-6)
    targets.scores(1, 0.25)
    assert len(list((tmp_path / "scores").glob("*.npy"))) == 2


def test_a_teacher_is_asked_only_about_labels_it_knows(tmp_path: Path) -> None:
    # The second teacher's outputs stand in another order, and it does not know cats.
    some, both = teacher("bee", "ant"), teacher(*LABELS)
    data = images(LABELS)
    alone = TeacherTargets((both,), data, LABELS, 1, tmp_path).scores(0, 0.25)
    joined = TeacherTargets((both, some), data, LABELS, 1, tmp_path).scores(0, 0.25)
    assert np.allclose(joined[2], alone[2], atol=1e-6)
    assert not np.allclose(joined[0], alone[0], atol=1e-6)
    assert np.allclose(joined.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(TrainingError, match="no teacher knows the label 'cat'"):
        TeacherTargets((some,), data, LABELS, 1, tmp_path).scores(0, 0.25)


def test_scores_of_labels_that_the_student_does_not_know_are_shared_out(tmp_path: Path) -> None:
    wise, data = teacher(*LABELS, "dog"), images(LABELS)
    for labels in (LABELS, ("cat", "ant", "bee")):
        scores = TeacherTargets((wise,), data, labels, 1, tmp_path).scores(0, 0.25)
        assert scores.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    everything = (*LABELS, "dog")
    of_all = TeacherTargets((wise,), data, everything, 1, tmp_path).scores(0, 0.25)[:, :3]
    among = TeacherTargets((wise,), data, LABELS, 1, tmp_path).scores(0, 0.25)
    assert among == pytest.approx(of_all / of_all.sum(axis=1, keepdims=True), abs=1e-5)


def test_a_student_learns_from_kept_scores_at_another_size(
    photos: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "scores"
    arguments = [
        *("retrain", "--image-dir", str(photos), "--output-dir", str(tmp_path / "student")),
        *("--weights", str(run), "--resolution", "128", "--fine-tune", "2", "--batch", "48"),
        *("--blocks", "2", "--teacher", str(run), "--teacher", str(run), "--views", "1"),
    ]
    assert main(arguments) != 0
    assert "2 teachers need a folder" in capsys.readouterr().err
    assert main([*arguments, "--teacher-cache", str(kept)]) == 0
    assert len(list(kept.glob("*.npy"))) == 1  # two epochs of one view
    assert (tmp_path / "student" / "int8.tflite").exists()
