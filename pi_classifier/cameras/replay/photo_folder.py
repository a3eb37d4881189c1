"""A folder of photos, played as if a camera saw one after the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.playback import Playback, PlayedCamera, frame_time_ns
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.stream import Clock
from pi_classifier.errors import ConfigError, ImageError
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.system.folders import expanded
from pi_classifier.types import Frame

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff")

_logger = logging.getLogger(__name__)


def open_photo_folder(
    folder: str, settings: CameraSettings, clock: Clock | None = None
) -> PlayedCamera:
    """Play the photos of a folder, sorted by path; frames have the photo's own size.

    A large JPEG is read smaller, with no side below the settings' shorter one. Photos are
    upright as their EXIF data says, then mirrored, turned and cut as the settings ask. A photo
    in a sub-folder carries the sub-folder's name as `truth`. One that cannot be read is
    logged once and skipped. Raises ConfigError when there is no such folder, no photo in
    it, or, while it plays, none that can be read.
    """
    path = _existing_folder(folder)
    photos = _photos(path)
    playback = Playback(f"replay of {path}", realtime=settings.realtime, clock=clock)
    return PlayedCamera(playback, _frames(path, photos, settings))


def _frames(folder: Path, photos: list[Path], settings: CameraSettings) -> Iterator[Frame]:
    """Yield each photo as often as it is held; one photo is in memory at a time."""
    numbers = count()
    repeats = max(1, round(settings.hold_s * settings.fps))
    seen = Orientation.of(settings)
    min_side = seen.side_of_any(min(settings.width, settings.height))
    unreadable: set[Path] = set()
    while True:
        for path in photos:
            pixels = None if path in unreadable else _read(path, min_side, seen)
            if pixels is None:
                unreadable.add(path)
                continue
            truth = path.parent.name if path.parent != folder else None
            name = str(path.relative_to(folder))
            for number in islice(numbers, repeats):
                time_ns = frame_time_ns(number, settings.fps)
                yield Frame(pixels, number, time_ns, truth, picture=name)
        if len(unreadable) == len(photos):
            raise ConfigError(
                f"{folder}: none of its {len(photos)} photos can be read; the first: {photos[0]}"
            )
        if not settings.loop:
            return


def _read(path: Path, min_side: int, seen: Orientation) -> Pixels | None:
    try:
        return seen(load_image(path, min_side=min_side))
    except ImageError as error:
        _logger.warning("skipped: %s", error)
        return None


def _existing_folder(text: str) -> Path:
    accepted = f"expected a folder of photos ({', '.join(ENDINGS)}) or a video"
    if not text:
        raise ConfigError(f"replay: no folder named; {accepted}, such as replay:~/photos")
    folder = expanded(text)
    if not folder.exists():
        raise ConfigError(f"{folder}: there is no such folder or file; {accepted}")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; {accepted}")
    return folder


def _photos(folder: Path) -> list[Path]:
    photos = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    if not photos:
        raise ConfigError(
            f"{folder}: no photos in it or its sub-folders; "
            f"expected files ending in {', '.join(ENDINGS)}"
        )
    return photos
