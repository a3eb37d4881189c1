"""Photos cut from real small videos."""

from __future__ import annotations

import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.data.video import CutOptions, split_video
from pi_classifier_training.errors import DatasetError, TrainingError
from PIL import Image, ImageFilter

av = pytest.importorskip("av", reason="PyAV is not installed: pip install av")
FPS = 10


def picture(seed: int, *, blurred: bool = False) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    image = Image.fromarray(coarse).resize((160, 120), Image.Resampling.NEAREST)
    return image.filter(ImageFilter.GaussianBlur(6)) if blurred else image


def film(path: Path, pictures: list[Image.Image]) -> Path:
    """A video with one second of each picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.bit_rate = 4_000_000
        stream.time_base = Fraction(1, FPS)
        for image in pictures:
            for _ in range(FPS):
                frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [picture(i, blurred=i == 3) for i in (1, 2, 2, 3, 4, 5)]
    return film(tmp_path_factory.mktemp("video") / "garden.mp4", pictures)


def times(folder: Path) -> list[float]:
    return [float(p.stem.rpartition("-")[2].removesuffix("s")) for p in sorted(folder.iterdir())]


def test_one_photo_a_second_without_repeats_and_blur(video: Path, tmp_path: Path) -> None:
    done = split_video(video, tmp_path / "rose", CutOptions())
    assert (done.kept, done.alike, done.blurred) == (4, 1, 1)
    assert times(tmp_path / "rose") == pytest.approx([0, 1, 4, 5], abs=0.11)
    assert [p.name for p in tmp_path.iterdir()] == ["rose"]
    last = np.asarray(Image.open(max((tmp_path / "rose").iterdir())).convert("RGB"))
    assert np.abs(last.astype(int) - np.asarray(picture(5))).mean() < 25


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (CutOptions(count=3), [0, 2, 4]),
        (CutOptions(every_s=2.0, start_s=0.5), [0.5, 2.5, 4.5]),
        (CutOptions(start_s=4.0, end_s=4.9), [4]),
        (CutOptions(count=2, start_s=4.0), [4, 5]),
    ],
)
def test_which_frames(video: Path, tmp_path: Path, cut: CutOptions, expected: list[float]) -> None:
    split_video(video, tmp_path / "rose", cut)
    assert times(tmp_path / "rose") == pytest.approx(expected, abs=0.11)


@pytest.mark.parametrize("split", ["training", "validation", "test"])
def test_all_frames_of_a_video_are_in_one_split(video: Path, tmp_path: Path, split: str) -> None:
    arguments = ["--label", "rose", "--image-dir", str(tmp_path), "--split", split]
    assert main(["split-video", str(video), *arguments]) == 0
    assert {photo.split for photo in scan([tmp_path])} == {split}


def test_each_video_goes_where_photos_lack(tmp_path: Path) -> None:
    splits = [
        split_video(
            film(tmp_path / f"{i}.mp4", [picture(i)]), tmp_path / "photos" / "rose", CutOptions()
        ).split
        for i in range(4)
    ]
    assert splits == ["training", "validation", "test", "training"]


def test_a_video_is_cut_once(video: Path, tmp_path: Path) -> None:
    split_video(video, tmp_path / "rose", CutOptions(split="test"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match=r"holds photos of garden\.mp4 already"):
        split_video(video, tmp_path / "rose", CutOptions(split="training"))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_turned_video_gives_upright_photos(video: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    data = bytearray(video.read_bytes())
    # The matrix of the track's head (ISO 14496-12): shown turned right by 90 degrees.
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    turned.write_bytes(data)
    split_video(turned, tmp_path / "rose", CutOptions(count=1))
    pixels = np.asarray(Image.open(next((tmp_path / "rose").iterdir())).convert("RGB"))
    upright = np.asarray(picture(1).transpose(Image.Transpose.ROTATE_270))
    assert pixels.shape == (160, 120, 3)
    assert np.abs(pixels.astype(int) - upright).mean() < 25


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"no video", "cannot be read as a video"),
        (b"", "video"),
        (b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n", "cannot be read as a video"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"x\.mp4.*{says}"):
        split_video(path, tmp_path / "photos" / "rose", CutOptions())
    assert not list((tmp_path / "photos").glob("*"))


def test_a_span_without_frames_writes_nothing(video: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no frame lies between"):
        split_video(video, tmp_path / "rose", CutOptions(start_s=60))
    assert list(tmp_path.iterdir()) == []


def test_without_av_the_error_names_the_extra(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(TrainingError, match=r"pip install av$"):
        split_video(video, tmp_path / "rose", CutOptions())
