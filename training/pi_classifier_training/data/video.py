"""Cuts photos from a video; the only training module importing PyAV.

Neighboring frames look alike, so all frames of a video belong to one split: what
stands before ``@video-`` in a photo's file name decides (`dataset.split_of`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.setting import setting
from pi_classifier_training.data.dataset import PHOTO_SUFFIXES, VIDEO_MARKER, Split, split_of
from pi_classifier_training.data.similarity import GRAY_SIDE, correlation
from pi_classifier_training.errors import DatasetError, TrainingError

JPEG_QUALITY = 95
# A frame this much like the last kept one teaches nothing new; brightness counts too.
ALIKE = 0.98
ALIKE_LEVELS = 6.0
# A frame with less than this share of the usual sharpness of the video is blurred.
BLURRED_SHARE = 0.25
SHARPNESS_SIDE = 256
# Shares of photos that splits should hold, in percent.
_WANTED: dict[Split, int] = {"training": 80, "validation": 10, "test": 10}


@dataclass(frozen=True, slots=True)
class CutOptions:
    """Which frames: one every `every_s` seconds, or `count` in all, between two times.

    The whole video joins one split: `split`, or the one the label is shortest of.
    """

    every_s: float = setting(
        1.0, "a photo every …", minimum=0, option="--every", metavar="SECONDS"
    )
    count: int | None = setting(None, "this many photos, evenly spread", minimum=1)
    start_s: float = setting(0.0, "from here on", minimum=0, option="--start", metavar="SECONDS")
    end_s: float | None = setting(None, "up to here", minimum=0, option="--end", metavar="SECONDS")
    split: Split | None = setting(
        None, "what the video is for (default: what the label has too little of)"
    )


@dataclass(frozen=True, slots=True)
class CutResult:
    """What came of it: where the photos are, their split, how many were kept and left out."""

    folder: Path
    kept: int
    alike: int
    blurred: int
    split: Split


def split_video(
    video: Path,
    folder: Path,
    options: CutOptions,
    step: Callable[[], None] = lambda: None,
) -> CutResult:
    """Write frames of `video` as photos into the label folder `folder`.

    `step` is called for each frame looked at. Nothing is written unless all goes well. Raises
    DatasetError when the file is no video, holds no frame in the span, or its frames
    are there already; TrainingError when PyAV is missing.
    """
    if not video.is_file():
        raise DatasetError(f"{video}: there is no such file; name a video")
    there = sorted(folder.glob("*")) if folder.is_dir() else []
    earlier = [p for p in there if p.name.startswith((f"{video.stem}{VIDEO_MARKER}",))]
    earlier += [p for p in there if p.name.startswith(f"{video.stem}~") and VIDEO_MARKER in p.name]
    if earlier:
        raise DatasetError(
            f"{folder}: holds photos of {video.name} already ({earlier[0].name} and so on); "
            "move them away to cut it again, or rename the video if it is another one"
        )
    chosen = options.split or _shortest(there)
    group = _group_name(video.stem, chosen)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".cutting-") as place:
        sharpness: list[tuple[Path, float]] = []
        alike = 0
        last: NDArray[np.uint8] | None = None
        for time_s, pixels in _frames(video, options):
            step()
            small, sharp = _small(pixels)
            if last is not None and _is_alike(small, last):
                alike += 1
                continue
            last = small
            path = Path(place, f"{group}{VIDEO_MARKER}{time_s:09.3f}s.jpg")
            Image.fromarray(pixels).save(path, quality=JPEG_QUALITY)
            sharpness.append((path, sharp))
        if not sharpness:
            raise DatasetError(f"{video}: no frame lies between the start and the end asked for")
        usual = float(np.median([sharp for _, sharp in sharpness]))
        sharp_ones = [p for p, sharp in sharpness if sharp >= BLURRED_SHARE * usual]
        folder.mkdir(exist_ok=True)
        for path in sharp_ones:
            path.rename(folder / path.name)
    blurred = len(sharpness) - len(sharp_ones)
    return CutResult(folder, len(sharp_ones), alike, blurred, chosen)


def duration_s(video: Path) -> float | None:
    """The length of a video in seconds, None where the file does not say."""
    av = _pyav()
    with _opened(av, video) as container:
        return None if container.duration is None else float(container.duration / av.time_base)


def _pyav() -> ModuleType:
    try:
        import av
    except ModuleNotFoundError:
        raise TrainingError(
            "videos need the package av, which is not installed; install it with: pip install "
            "'pi-classifier[video]' (in a clone: pip install '.[video]')"
        ) from None
    module: ModuleType = av
    return module


def _opened(av: ModuleType, video: Path) -> Any:
    """Open a video file; a picture or a sound is none."""
    try:
        container = av.open(str(video))
    except (av.FFmpegError, ValueError) as error:
        raise DatasetError(f"{video}: cannot be read as a video ({error})") from None
    if not container.streams.video:
        container.close()
        raise DatasetError(f"{video}: holds no pictures; expected a video such as .mp4 or .mov")
    return container


def _frames(video: Path, options: CutOptions) -> Iterator[tuple[float, Pixels]]:
    """Yield (time in seconds, upright RGB uint8 ``[h, w, 3]``) of the frames wanted."""
    av = _pyav()
    every_s = options.every_s
    if options.count is not None:
        whole = duration_s(video)
        if options.end_s is None and whole is None:
            raise DatasetError(f"{video}: does not say how long it is; use --every or --end")
        every_s = max(0.0, (options.end_s or whole or 0.0) - options.start_s) / options.count
    number = 0
    with _opened(av, video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                time_s = _time_s(frame, stream)
                if options.end_s is not None and time_s > options.end_s:
                    return
                # A frame lies up to its own duration before the moment it shows.
                if time_s + 1e-3 < options.start_s + number * every_s:
                    continue
                number += 1
                yield time_s, _upright(frame)
                if number == options.count:
                    return
        except av.FFmpegError as error:
            raise DatasetError(f"{video}: is damaged or cut off ({error})") from None


def _time_s(frame: Any, stream: Any) -> float:
    """Seconds from the start of the video; some count from another moment."""
    start = float((stream.start_time or 0) * stream.time_base)
    return max(0.0, float(frame.time or 0.0) - start)


def _upright(frame: Any) -> Pixels:
    """The pixels of a frame, turned as the video's metadata says."""
    pixels = frame.to_ndarray(format="rgb24")
    # FFmpeg's angle counts counter-clockwise, as np.rot90 does.
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    upright: Pixels = np.ascontiguousarray(np.rot90(pixels, turns))
    return upright


def _small(pixels: Pixels) -> tuple[NDArray[np.uint8], float]:
    """The frame in small and gray, and its sharpness: the spread of its Laplacian."""
    gray = Image.fromarray(pixels).convert("L")
    small = np.asarray(gray.resize((GRAY_SIDE, GRAY_SIDE), Image.Resampling.BOX))
    side = (SHARPNESS_SIDE, SHARPNESS_SIDE)
    g = np.asarray(gray.resize(side, Image.Resampling.BOX)).astype(np.float32)
    edges = 4 * g[1:-1, 1:-1] - g[:-2, 1:-1] - g[2:, 1:-1] - g[1:-1, :-2] - g[1:-1, 2:]
    return small, float(edges.var())


def _is_alike(small: NDArray[np.uint8], last: NDArray[np.uint8]) -> bool:
    apart = float(np.abs(small.astype(np.int16) - last).mean())
    flat = min(small.std(), last.std()) < 1
    return apart < ALIKE_LEVELS and (flat or correlation(small, last) >= ALIKE)


def _shortest(there: list[Path]) -> Split:
    """The split that a label's photos lack most: training first, then the others."""
    counts = Counter(split_of(p.name) for p in there if p.suffix.lower() in PHOTO_SUFFIXES)
    total = sum(counts.values())
    splits: tuple[Split, ...] = get_args(Split)
    if not total:
        return "training"
    return min(splits, key=lambda s: counts[s] / total / _WANTED[s])


def _group_name(stem: str, split: Split) -> str:
    """A name for the video's frames whose hash falls into `split`."""
    number = 1
    name = stem
    while split_of(name + VIDEO_MARKER) != split:
        number += 1
        name = f"{stem}~{number}"
    return name
