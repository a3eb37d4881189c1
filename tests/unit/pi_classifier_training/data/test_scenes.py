"""Photos that look alike are one scene, whatever their label; all others are their own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.data.scenes import scenes
from pi_classifier_training.data.sharing import Listed
from pi_classifier_training.data.splits import SPLITS, SplitRule
from PIL import Image


def draw(path: Path, scene: int, brightness: int = 0) -> None:
    """A picture of coarse random shapes: each scene looks different."""
    coarse = np.random.default_rng(scene).integers(0, 200, (6, 7, 3), np.uint8) + brightness
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(coarse.astype(np.uint8)).resize((96, 80), Image.Resampling.BICUBIC)
    image.save(path)


def listed(root: Path, *names: str) -> list[Listed]:
    """Photos named ``label/file``."""
    return [
        Listed(str((root / name).parent), Path(name).name, Path(name).parts[0], None, 0)
        for name in names
    ]


def test_what_looks_alike_has_one_name_across_labels(tmp_path: Path) -> None:
    for name, scene, brightness in (
        ("rose/a.png", 1, 0), ("rose/b.png", 2, 0), ("tulip/a.png", 3, 0), ("tulip/c.png", 1, 30),
    ):  # fmt: skip
        draw(tmp_path / name, scene, brightness)
    (tmp_path / "rose" / "broken.png").write_text("no photo")
    Image.new("RGB", (90, 80), "gray").save(tmp_path / "rose" / "empty.png")
    Image.new("RGB", (90, 80), "gray").save(tmp_path / "tulip" / "empty.png")
    photos = listed(tmp_path, "rose/a.png", "rose/b.png", "rose/broken.png", "rose/empty.png",
                    "rose/gone.png", "tulip/a.png", "tulip/c.png", "tulip/empty.png")  # fmt: skip
    names = scenes(photos)
    assert names[0] == names[6]
    assert Counter(Counter(names).values()) == {2: 1, 1: 6}


def test_frames_of_one_video_are_one_scene(tmp_path: Path) -> None:
    names = [f"rose/v@video-{i}.png" for i in range(3)]
    for i, name in enumerate(names):
        draw(tmp_path / name, 10 + i)
    draw(tmp_path / "tulip/x.png", 12)
    assert len(set(scenes(listed(tmp_path, *names, "tulip/x.png")))) == 1


@pytest.mark.parametrize("more", [0, 1])
def test_a_scene_is_in_one_split_and_every_label_in_all(more: int, tmp_path: Path) -> None:
    for label in ("rose", "tulip"):
        for i in range(36 + more):
            # Bursts of three; a few scenes show both labels.
            scene = i // 3 if i < 9 else i // 3 + (100 if label == "rose" else 200)
            draw(tmp_path / label / f"{i}.png", scene, 5 * (i % 3))
    photos = scan([tmp_path], SplitRule(group_by="scene"))
    of_scene: dict[object, set[str]] = {}
    for photo in photos:
        i = int(photo.path.stem)
        of_scene.setdefault((i // 3, None if i < 9 else photo.label), set()).add(photo.split)
    assert all(len(splits) == 1 for splits in of_scene.values())
    counts = Counter((p.label, p.split) for p in photos)
    for label in ("rose", "tulip"):
        assert all(counts[label, split] > 0 for split in SPLITS)
        assert counts[label, "training"] >= 27
