"""Drawn scenes: deterministic, of any size, and each flower where it should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_classifier.cameras.emulated.garden import BEHIND_FLOWERS, GROUNDS, PAINTERS
from pi_classifier.cameras.emulated.garden.painting import Canvas, Pose
from pi_classifier.cameras.emulated.scenes import BACKGROUND, LABELS, MEADOW_REACH, Scene

FLOWERS = LABELS[1:]


def scene(label: str, seed: int = 0) -> Scene:
    return Scene.draw(label, np.random.default_rng(seed))


def test_labels_are_those_of_the_shipped_models() -> None:
    assert LABELS == ("background", "daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert tuple(PAINTERS) == FLOWERS


@pytest.mark.parametrize("label", LABELS)
def test_same_seed_gives_the_same_bytes(label: str) -> None:
    one = scene(label, 3).render(48, 64, 1.5, 7)
    other = scene(label, 3).render(48, 64, 1.5, np.random.default_rng(7))
    assert one.tobytes() == other.tobytes()


def test_rendering_does_not_depend_on_what_was_rendered_before() -> None:
    used = scene("roses", 5)
    used.render(40, 40, 0.0, 1)
    used.render(48, 64, 9.0, 2)
    assert used.render(48, 64, 1.5, 7).tobytes() == (
        scene("roses", 5).render(48, 64, 1.5, 7).tobytes()
    )


def test_one_size_is_kept_at_a_time() -> None:
    used = scene("daisy")
    for side in (16, 24, 32):
        used.render(side, side, 0.0, 0)
    assert list(used._painted) == [(32, 32)]


def test_other_seeds_give_other_scenes() -> None:
    pictures = {scene("daisy", seed).render(32, 32, 0.0, 0).tobytes() for seed in range(8)}
    assert len(pictures) == 8


@settings(max_examples=40, deadline=None)
@given(
    label=st.sampled_from(LABELS),
    height=st.sampled_from([1, 2, 3, 16, 33]),
    width=st.sampled_from([1, 2, 3, 16, 47]),
    seed=st.integers(0, 2**32),
)
def test_every_size_gives_whole_rgb_pictures(
    label: str, height: int, width: int, seed: int
) -> None:
    pixels = scene(label, seed).render(height, width, 0.1, seed)
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("size", [(0, 10), (10, 0), (-1, 10)])
def test_empty_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        scene("daisy").render(*size, 0.0, 0)


def test_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'orchid'.*tulips"):
        scene("orchid")


@pytest.mark.parametrize("label", FLOWERS)
@pytest.mark.parametrize("height", [96, 400])  # 400 is enlarged from 240
def test_consecutive_frames_differ_a_little(label: str, height: int) -> None:
    drawn = scene(label, 2)
    first = drawn.render(height, height, 0.0, 0).astype(int)
    second = drawn.render(height, height, 0.1, 1).astype(int)
    difference = np.abs(first - second).mean()
    assert 0.2 < difference < 15


@pytest.mark.parametrize("label", FLOWERS)
def test_flowers_fill_a_good_part_of_the_frame(label: str) -> None:
    for seed in range(6):
        drawn = scene(label, seed)
        bare = replace(drawn, plants=(), _painted={})
        with_plants = drawn.render(96, 128, 0.0, 0).astype(int)
        without = bare.render(96, 128, 0.0, 0).astype(int)
        changed = (np.abs(with_plants - without).max(axis=2) > 25).mean()
        assert changed > 0.05, f"{label}, seed {seed}: {changed:.3f}"


def test_background_has_no_plants_and_meets_every_ground() -> None:
    drawn = [scene(BACKGROUND, seed) for seed in range(200)]
    assert not any(scene.plants for scene in drawn)
    assert {scene.ground for scene in drawn} == set(GROUNDS)


def test_grounds_behind_flowers_exist() -> None:
    assert {name for name, _ in BEHIND_FLOWERS} <= set(GROUNDS)


@pytest.mark.parametrize("ground", GROUNDS)
def test_grounds_cover_the_frame_in_float32(ground: str) -> None:
    pixels = GROUNDS[ground](np.random.default_rng(1), 40, 60, 40.0)
    assert pixels.shape == (40, 60, 3)
    assert pixels.dtype == np.float32
    assert np.isfinite(pixels).all()


def head(label: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean color of a head's middle and of a ring at 0.7 radii, seen from the front."""
    canvas = Canvas(120, 120)
    rng = np.random.default_rng(seed)
    PAINTERS[label](canvas, Pose(60, 60, 50), (60.0, 125.0), rng)
    rows, columns = np.mgrid[0:120, 0:120]
    radius = np.hypot(rows - 60, columns - 60) / 50
    ring = canvas.rgb[(radius > 0.65) & (radius < 0.75)].mean(axis=0)
    return canvas.rgb[radius < 0.15].mean(axis=0), ring


@pytest.mark.parametrize("seed", range(4))
def test_a_daisy_is_white_around_yellow(seed: int) -> None:
    middle, ring = head("daisy", seed)
    assert middle[2] < 0.6 * middle[0]
    assert ring[2] > 0.85 * ring[0]
    assert ring.min() > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_a_sunflower_is_yellow_around_dark(seed: int) -> None:
    middle, ring = head("sunflowers", seed)
    assert middle.max() < 0.45
    assert ring[0] > 0.6
    assert ring[2] < 0.4 * ring[0]


def test_dandelions_are_yellow_heads_and_sometimes_white_clocks() -> None:
    rings = [head("dandelion", seed)[1] for seed in range(12)]
    yellow = [ring[2] < 0.4 * ring[0] for ring in rings]
    assert 3 <= sum(yellow) <= 11


@pytest.mark.parametrize("label", FLOWERS)
def test_a_wide_view_shows_one_flower_an_eighth_as_high_as_the_frame(label: str) -> None:
    wide = Scene.draw(label, np.random.default_rng(4), MEADOW_REACH)
    (plant,) = wide.plants
    assert 2 * plant.radius / wide.reach == 1 / 8
    still = replace(
        wide,
        motion=replace(wide.motion, sway=0.0, drift=0.0),
        light=replace(wide.light, noise=0.0),
    )
    bare = replace(still, plants=(), _painted={})
    changed = still.render(240, 320, 0.0, 0) != bare.render(240, 320, 0.0, 0)
    rows = np.flatnonzero(changed.any(axis=(1, 2)))
    head = 120 + plant.y / wide.reach * 240
    assert rows[0] == pytest.approx(head - 15, abs=9)
    assert rows[-1] <= head + 4 * 30
