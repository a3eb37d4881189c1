"""Cuts photos from a video; the only training module importing PyAV.

Neighboring frames look alike, so all frames of a video belong to one split: the one that
stands behind ``@video-`` in a photo's file name.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.cameras.video.pyav import MediaAddress
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.setting import setting
from pi_classifier_training.data.label_folders import PHOTO_SUFFIXES
from pi_classifier_training.data.sharing import Listed, shared_out
from pi_classifier_training.data.similarity import correlation, gray_thumbnail
from pi_classifier_training.data.splits import VIDEO_MARKER, Split, SplitRule, video_split
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
    present = sorted(folder.glob("*")) if folder.is_dir() else []
    _require_uncut(video, folder, present)
    split = options.split or _shortest(present)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".cutting-") as scratch:
        prefix = Path(scratch, f"{video.stem}{VIDEO_MARKER}{split}-")
        sharpness, alike = _saved_frames(video, options, prefix, step)
        if not sharpness:
            raise DatasetError(f"{video}: no frame lies between the start and the end asked for")
        # How sharp a frame can be depends on what is filmed: only the video's own usual
        # sharpness tells which of its frames are blurred.
        least = BLURRED_SHARE * float(np.median(list(sharpness.values())))
        sharp = [path for path, value in sharpness.items() if value >= least]
        folder.mkdir(exist_ok=True)
        for path in sharp:
            path.rename(folder / path.name)
    return CutResult(folder, len(sharp), alike, len(sharpness) - len(sharp), split)


def _require_uncut(video: Path, folder: Path, present: Sequence[Path]) -> None:
    own = [p for p in present if p.name.startswith(f"{video.stem}{VIDEO_MARKER}")]
    if own:
        raise DatasetError(
            f"{folder}: holds photos of {video.name} already ({own[0].name} and so on); "
            "move them away to cut it again, or rename the video if it is another one"
        )


def _saved_frames(
    video: Path, options: CutOptions, prefix: Path, step: Callable[[], None]
) -> tuple[dict[Path, float], int]:
    """Save the frames that show something new; their sharpness, and how many did not."""
    sharpness: dict[Path, float] = {}
    alike = 0
    last: NDArray[np.uint8] | None = None
    for time_s, pixels in _frames(video, options):
        step()
        gray = Image.fromarray(pixels).convert("L")
        small = gray_thumbnail(gray)
        # Compared with the last frame kept, not the last seen: slow changes add up.
        if last is not None and _is_alike(small, last):
            alike += 1
            continue
        last = small
        path = prefix.with_name(f"{prefix.name}{time_s:09.3f}s.jpg")
        Image.fromarray(pixels).save(path, quality=JPEG_QUALITY)
        sharpness[path] = _sharpness(gray)
    return sharpness, alike


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
            "videos need the package av, which is not installed; install it with: pip install av"
        ) from None
    module: ModuleType = av
    return module


def _opened(av: ModuleType, video: Path) -> Any:
    """Open a video file; a picture or a sound is none."""
    # A playlist under a video's name would have FFmpeg open what it lists, also over the network.
    address = MediaAddress(f"file:{video}")
    try:
        container = av.open(address.source, options=address.all_options())
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


def _sharpness(gray: Image.Image) -> float:
    """The spread of a frame's Laplacian, at one size whatever the video's."""
    side = (SHARPNESS_SIDE, SHARPNESS_SIDE)
    g = np.asarray(gray.resize(side, Image.Resampling.BOX)).astype(np.float32)
    edges = 4 * g[1:-1, 1:-1] - g[:-2, 1:-1] - g[2:, 1:-1] - g[1:-1, :-2] - g[1:-1, 2:]
    return float(edges.var())


def _is_alike(small: NDArray[np.uint8], last: NDArray[np.uint8]) -> bool:
    apart = float(np.abs(small.astype(np.int16) - last).mean())
    flat = min(small.std(), last.std()) < 1
    return apart < ALIKE_LEVELS and (flat or correlation(small, last) >= ALIKE)


def _shortest(present: Sequence[Path]) -> Split:
    """The split that a label's photos lack most: training first, then the others."""
    photos = [
        Listed("", path.name, "", video_split(path.name), 0)
        for path in present
        if path.suffix.lower() in PHOTO_SUFFIXES
    ]
    counts = Counter(shared_out(photos, SplitRule(), lambda _: ()))
    total = sum(counts.values())
    splits: tuple[Split, ...] = get_args(Split)
    if not total:
        return "training"
    return min(splits, key=lambda s: counts[s] / total / _WANTED[s])
