"""What can be delivered together, and what a wrong order is told."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.errors import DatasetError, TrainingError
from pi_classifier_training.search.order import Order, require_deliverable


def a_run(folder: Path, resolution: int, **changes: Any) -> Path:
    """A run folder, as far as its summary goes."""
    folder.mkdir(parents=True)
    splits = {"test_percent": 10.0, "validation_percent": 10.0, "group_by": "name"}
    summary = {
        "network": {"name": "mobilenet_v1", "width": 0.25, "resolution": resolution},
        "labels": ["daisy", "tulips"],
        "card": {"name": folder.name},
        "data": {"splits": splits},
        "recipe": f"recipe of {folder.name}",
    } | changes
    kept = {key: value for key, value in summary.items() if value is not None}
    (folder / "run.json").write_text(json.dumps(kept))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in ("daisy", "tulips"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "photos" / label / f"{i}.png").write_bytes(b"a photo")
    return tmp_path / "photos"


@pytest.fixture
def order(tmp_path: Path, photos: Path) -> Order:
    runs = a_run(tmp_path / "fast", 128), a_run(tmp_path / "accurate", 224)
    return Order(runs, (photos,), "birds")


def refusal(order: Order, *runs: Path) -> str:
    with pytest.raises(TrainingError) as error:
        require_deliverable(replace(order, runs=runs))
    return str(error.value)


def test_one_run_or_two_are_delivered(order: Order) -> None:
    require_deliverable(order)
    require_deliverable(replace(order, runs=order.runs[:1]))


def test_models_are_called_after_their_run_folders_where_these_differ(
    order: Order, tmp_path: Path
) -> None:
    assert order.stages() == ("fast", "accurate")
    for names in (("a/run", "b/run"), ("Fast", "fast"), ("the fast one", "b")):
        runs = tuple(tmp_path / name for name in names)
        assert replace(order, runs=runs).stages() == ("first", "second")


def test_what_cannot_be_joined_is_refused_by_name(order: Order, tmp_path: Path) -> None:
    fast, accurate = order.runs
    assert "3 run folders are given; expected one, or two" in refusal(order, *order.runs, fast)
    assert f"{fast}: is given twice" in refusal(order, fast, fast)
    told = refusal(order, accurate, fast)
    assert f"{accurate} takes as long as {fast} or longer" in told
    assert f"give {fast} before {accurate}" in told
    equal = a_run(tmp_path / "equal", 224)
    assert "takes as long as" in refusal(order, equal, accurate)
    roses = a_run(tmp_path / "roses", 192, labels=["daisy", "roses"])
    assert f"('roses' is in {roses} only)" in refusal(order, fast, roses)
    splits = {"test_percent": 20.0, "validation_percent": 10.0, "group_by": "name"}
    shares = a_run(tmp_path / "shares", 192, data={"splits": splits})
    assert "have shared out their photos in other ways" in refusal(order, fast, shares)


def test_a_folder_that_is_no_finished_run_is_told_what_it_is(order: Order, tmp_path: Path) -> None:
    fast = order.runs[0]
    assert "is not the output of" in refusal(order, fast, tmp_path / "nowhere")
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "checkpoint.npz").touch()
    assert f"{begun}: its training has not ended" in refusal(order, fast, begun)
    (tmp_path / "auto" / "search").mkdir(parents=True)
    (tmp_path / "auto" / "search" / "auto.json").touch()
    assert "is the folder of auto" in refusal(order, fast, tmp_path / "auto")
    cut = a_run(tmp_path / "cut", 192, recipe=None)
    assert f"{cut}: its run.json has no 'recipe'" in refusal(order, fast, cut)


def test_a_rounded_file_lies_beside_two_models_only(order: Order) -> None:
    require_deliverable(replace(order, rounded=True))
    assert "pi-classifier-train round" in refusal(replace(order, rounded=True), order.runs[0])


@pytest.mark.parametrize("name", ["a/b", "..", ""])
def test_a_name_must_be_a_file_s(order: Order, name: str) -> None:
    assert "becomes a file name" in refusal(replace(order, name=name), *order.runs)


def test_other_photos_are_another_delivery(order: Order, photos: Path) -> None:
    before = order.recipe()
    assert order.recipe() == before == json.loads(json.dumps(before))
    assert replace(order, rounded=True).recipe() != before
    changed = photos / "daisy" / "0.png"
    os.utime(changed, ns=(1, 1))
    later = order.recipe()
    assert later != before
    changed.rename(photos / "tulips" / "9.png")
    assert order.recipe() != later
    with pytest.raises(DatasetError, match="gone"):
        replace(order, image_dirs=(photos / "gone",)).recipe()
