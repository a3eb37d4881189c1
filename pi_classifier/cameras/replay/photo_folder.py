"""A folder of photos played as if a camera saw them, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from pi_classifier.cameras.playback import Clock, Playback
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import ConfigError, ImageError
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preprocessing.preprocessor import load_image
from pi_classifier.types import Frame

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")

_log = logging.getLogger(__name__)


class ReplayCamera:
    """Plays the photos of a folder, sorted by path; frames have the photo's own size.

    A large JPEG is read smaller, with no side below the settings' shorter one. A photo
    in a sub-folder carries the sub-folder's name as `truth`. One that cannot be read is
    logged once and skipped. Raises ConfigError when there is no such folder, no photo in
    it, or none that can be read.
    """

    def __init__(self, folder: str, settings: CameraSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self._folder = _existing_folder(folder)
        self._paths = _photos(self._folder)
        self._playback = Playback(
            f"replay of {self._folder}", settings.fps, realtime=settings.realtime, clock=clock
        )
        self._min_side = min(settings.width, settings.height)
        self._hold = max(1, round(settings.hold_s * settings.fps))
        self._unreadable: set[Path] = set()
        self._source = self._pictures()
        self._sequence = 0

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the last photo or `stop`.

        Raises CameraClosed after `close`.
        """
        self._playback.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good."""
        self._playback.stop()

    def close(self) -> None:
        """End the frames and refuse further ones."""
        self._playback.close()

    def _frames(self) -> Iterator[Frame]:
        with self._playback.running():
            for _ in self._playback.ticks():
                shown = next(self._source, None)
                if shown is None:
                    return
                pixels, truth = shown
                sequence = self._sequence
                self._sequence += 1
                yield Frame(pixels, sequence, self._playback.timestamp_ns(sequence), truth)

    def _pictures(self) -> Iterator[tuple[Pixels, str | None]]:
        """Yield each photo as often as it is held; one photo is in memory at a time."""
        while True:
            for path in self._paths:
                pixels = self._read(path)
                if pixels is not None:
                    truth = path.parent.name if path.parent != self._folder else None
                    for _ in range(self._hold):
                        yield pixels, truth
            if len(self._unreadable) == len(self._paths):
                raise ConfigError(
                    f"{self._folder}: none of its {len(self._paths)} photos can be read; "
                    f"the first: {self._paths[0]}"
                )
            if not self.settings.loop:
                return

    def _read(self, path: Path) -> Pixels | None:
        if path in self._unreadable:
            return None
        try:
            return load_image(path, min_side=self._min_side)
        except ImageError as error:
            _log.warning("skipped: %s", error)
            self._unreadable.add(path)
            return None


def _existing_folder(text: str) -> Path:
    accepted = f"expected a folder of photos ({', '.join(ENDINGS)}) or a video"
    if not text:
        raise ConfigError(f"replay: no folder named; {accepted}, such as replay:~/photos")
    folder = Path(text).expanduser()
    if not folder.exists():
        raise ConfigError(f"{folder}: there is no such folder or file; {accepted}")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; {accepted}")
    return folder


def _photos(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    if not found:
        raise ConfigError(
            f"{folder}: no photos in it or its sub-folders; "
            f"expected files ending in {', '.join(ENDINGS)}"
        )
    return found
