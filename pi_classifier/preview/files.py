"""Views as PNG files: one that is always whole, or a numbered sequence."""

from __future__ import annotations

from pathlib import Path

from pi_classifier.errors import ConfigError
from pi_classifier.preview.drawing import picture
from pi_classifier.preview.latest_view import View


class PictureFile:
    """Writes views to one file, replaced as a whole, or to many where the name has ``%d``.

    Raises ConfigError for a folder that is not there or a name that cannot be a number's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._many = "%" in name
        if self._many and self._path(0) == self._path(1):
            raise ConfigError(f"--png {name}: expected one number in it, such as seen-%05d.png")
        folder = self._path(0).parent
        if not folder.is_dir():
            raise ConfigError(f"--png {name}: there is no folder {folder}; make it first")

    def write(self, view: View) -> None:
        """Write one view; a reader meets the old file or the new one, never a part."""
        path = self._path(view.frame.sequence)
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            picture(view).save(unfinished, "PNG", compress_level=1)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        try:
            name = self._name % number if self._many else self._name
        except (TypeError, ValueError):
            raise ConfigError(
                f"--png {self._name}: expected one number in it, such as seen-%05d.png"
            ) from None
        return Path(name).expanduser()
