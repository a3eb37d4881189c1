"""Photos held out in several folders: the same ones that training held out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.evaluation.held_out import held_out
from pi_classifier_training.export.run_export import evaluate_folders
from PIL import Image

from pi_classifier.inference.classifier import ModelClassifier, open_model
from pi_classifier.inference.settings import ModelSettings

DATA = Path(__file__).resolve().parents[3] / "data"
LABELS = ("background", "cyan", "magenta", "yellow")


@pytest.fixture
def model() -> Iterator[ModelClassifier]:
    settings = ModelSettings(top_k=0, cache_dir="")
    with closing(open_model(DATA / "int8.tflite", settings)) as opened:
        yield opened


@pytest.fixture
def thirds(tmp_path: Path) -> list[Path]:
    """Three folders with one photo of each label: none can be shared out by itself."""
    folders = [tmp_path / f"third {i}" for i in range(3)]
    for i, folder in enumerate(folders):
        for label in LABELS:
            (folder / label).mkdir(parents=True)
            color = "white" if label == "background" else label
            Image.new("RGB", (8, 8), color).save(folder / label / f"{i}.png")
    return folders


def test_folders_that_are_shared_out_together_hold_out_what_training_did(
    model: ModelClassifier, thirds: list[Path]
) -> None:
    parts = held_out(thirds, [model])
    assert [part.folder for part in parts] == thirds
    for split in ("validation", "test"):
        chosen = [photo for part in parts for photo in getattr(part, split)]
        assert chosen == [photo for photo in scan(thirds) if photo.split == split]
        assert {photo.label for photo in chosen} == set(LABELS)


def test_a_finished_file_is_measured_on_the_photos_that_training_held_out(
    model: ModelClassifier, thirds: list[Path]
) -> None:
    # All photos of a label have the place of their number: one folder tests, one validates.
    (tested,) = {photo.path.parts[-3] for photo in scan(thirds) if photo.split == "test"}
    figures = evaluate_folders(model, thirds, SplitRule())
    assert (figures["data"], figures["n"]) == (tested, len(LABELS))
    assert "others" not in figures
