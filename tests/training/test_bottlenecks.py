"""Bottlenecks: computed once, found again wherever the same picture lies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.data.dataset import Photo, scan
from pi_classifier_training.errors import CacheError
from pi_classifier_training.features.bottlenecks import BottleneckCache, Bottlenecks
from pi_classifier_training.networks.network import Network
from pi_classifier_training.retraining.head import fit_head
from pi_classifier_training.retraining.run_folder import RunFolder
from PIL import Image

from pi_classifier.preprocessing.preprocessor import Preprocessor

LABELS = ("cyan", "magenta", "yellow")


@pytest.fixture(scope="module")
def network(run: Path) -> Network:
    # A network that was trained tells pictures apart; an untrained one hardly does.
    return RunFolder(run).load()


@pytest.fixture
def few(photos: Path, tmp_path: Path) -> Path:
    """Fourteen photos of each label, and a copy of one under another name."""
    for label in LABELS:
        (tmp_path / "few" / label).mkdir(parents=True)
        for i in range(14):
            name = f"{label}{i:03}.png"
            shutil.copy(photos / label / name, tmp_path / "few" / label / name)
    shutil.copy(tmp_path / "few/cyan/cyan003.png", tmp_path / "few/cyan/copy.png")
    return tmp_path / "few"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[BottleneckCache]:
    with BottleneckCache(tmp_path / "cache") as cache:
        yield cache


def features(
    cache: BottleneckCache, network: Network, photos: list[Photo], *, mirrored: bool = True
) -> Bottlenecks:
    contents = cache.contents(photos)
    return cache.features(network, "crop", photos, contents, mirrored=mirrored, title="test")


def all_of(found: Bottlenecks) -> NDArray[np.float32]:
    return found.gather(np.arange(len(found)))


def test_what_is_kept_is_what_the_network_computes(
    cache: BottleneckCache, network: Network, few: Path
) -> None:
    photos = scan([few])
    bottlenecks = features(cache, network, photos)
    assert len(bottlenecks) == 2 * len(photos) == 86
    assert bottlenecks.labels_of(np.array([0, 42, 43])).tolist() == [0, 2, 0]
    pixels = np.asarray(Image.open(photos[1].path).convert("RGB"))
    small = Preprocessor((96, 96), "crop")(pixels).astype(np.float32)
    for sample, view in ((1, small), (1 + len(photos), small[:, ::-1])):
        expected = network(view[None], training=False)[1].numpy()[0]
        assert all_of(bottlenecks)[sample] == pytest.approx(expected, abs=1e-4)


def test_the_same_picture_is_found_again_under_any_name(
    cache: BottleneckCache, network: Network, few: Path, tmp_path: Path
) -> None:
    first = features(cache, network, scan([few]))
    few.rename(tmp_path / "moved")
    (tmp_path / "moved/yellow/yellow003.png").rename(tmp_path / "moved/yellow/zzz.png")
    again = features(cache, network, scan([tmp_path / "moved"]))
    # A copy of a photo shares its row, and nothing was computed anew.
    assert len(first.tables[0]) == len(again.tables[0]) == 42
    assert sorted(map(bytes, all_of(first))) == sorted(map(bytes, all_of(again)))


def test_a_changed_photo_is_computed_anew(
    cache: BottleneckCache, network: Network, few: Path
) -> None:
    before = all_of(features(cache, network, scan([few]), mirrored=False))
    Image.new("RGB", (64, 48), "white").save(few / "cyan" / "cyan005.png")
    after = all_of(features(cache, network, scan([few]), mirrored=False))
    changed = np.flatnonzero((before != after).any(axis=1))
    assert [scan([few])[i].name for i in changed] == ["cyan005.png"]


def test_other_weights_and_another_resize_never_share(
    cache: BottleneckCache, network: Network, few: Path
) -> None:
    photos = scan([few])[:2]
    other = Network(network.spec, LABELS)
    one, two = (all_of(features(cache, n, photos, mirrored=False)) for n in (network, other))
    assert not np.allclose(one, two)
    contents = cache.contents(photos)
    cache.features(network, "stretch", photos, contents, mirrored=False, title="test")
    assert cache.folder is not None
    assert len(list(cache.folder.glob("mobilenet_v1-96-*"))) == 3


def test_without_a_folder_nothing_is_left_behind(
    network: Network, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with BottleneckCache.at("none") as cache:
        bottlenecks = features(cache, network, scan([few]))
        assert list(scratch.iterdir()) == []
        assert np.isfinite(all_of(bottlenecks)).all()


def test_photos_that_cannot_be_read_are_left_out_and_named(
    cache: BottleneckCache, network: Network, few: Path
) -> None:
    (few / "cyan" / "text.png").write_text("no photo")
    (few / "yellow" / "text.png").write_text("no photo")
    (few / "cyan" / "gone.png").symlink_to("nowhere")
    bottlenecks = features(cache, network, scan([few]))
    assert len(bottlenecks.photos) == 43
    assert len(bottlenecks.unreadable) == 3
    for name, said in zip(
        ("cyan/gone", "cyan/text", "yellow/text"), bottlenecks.unreadable, strict=True
    ):
        assert f"{name}.png" in said


def test_a_huge_picture_is_left_out_before_it_is_decoded(
    cache: BottleneckCache, network: Network, few: Path
) -> None:
    # Sixty million pixels in a file of 180 kB.
    Image.new("RGB", (10_000, 6_000)).save(few / "cyan" / "huge.png")
    bottlenecks = features(cache, network, scan([few]), mirrored=False)
    assert "huge.png: needs 240 MB of memory" in bottlenecks.unreadable[0]


def test_too_little_space_is_said_before_anything_is_computed(
    network: Network, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=20_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    cache = BottleneckCache(tmp_path / "cache")
    with cache, pytest.raises(CacheError, match="has 0 MB free"):
        features(cache, network, scan([few]))


def test_a_head_is_fitted_to_them_as_to_an_array(
    cache: BottleneckCache, network: Network, few: Path
) -> None:
    bottlenecks = features(cache, network, scan([few]))
    assert bottlenecks.shape == all_of(bottlenecks).shape
    assert np.array_equal(bottlenecks[40:50], all_of(bottlenecks)[40:50])
    indices = np.tile(bottlenecks.indices, 2)
    one, two = (fit_head(x, indices, 3, views=2) for x in (bottlenecks, all_of(bottlenecks)))
    assert np.array_equal(one.kernel, two.kernel)
    plain = features(cache, network, scan([few]), mirrored=False)
    assert one.figures(plain, plain.indices)["validation_accuracy"] > 0.9
