"""Photos that lie at an address: copied once into the cache, then a folder like any other.

The only module importing fsspec, which knows the kinds of addresses: ``s3://``, ``sftp://``,
``zip://`` and many more.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pi_classifier.masking import masked_address
from pi_classifier.system.files import remembered, write_json
from pi_classifier.system.folders import cache_folder
from pi_classifier_training.data.label_folders import PHOTO_SUFFIXES
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.progress import Progress

_AT_ONCE = 64
_LARGEST_NOTE = 1 << 28
# What file systems tell of a file that changes when its contents do.
_STAMPS = ("size", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "CRC")


def is_address(text: str) -> bool:
    """Whether a text names a place by its address, not a folder of this machine."""
    return "://" in text or "::" in text


def local_copy(address: str) -> Path:
    """A folder with the photos at `address`, as they are there now.

    What was copied before and has not changed is not copied again; what is gone there goes
    here, too. Raises DatasetError where the address cannot be read, or holds no photos.
    """
    # The password may change; the photos stay.
    shown = masked_address(address)
    name = PurePosixPath(address.rstrip("/").split("::")[0].partition("://")[2]).name
    whole = cache_folder() / "photos" / hashlib.sha256(shown.encode()).hexdigest()[:16]
    folder, note = whole / (name or "photos"), whole / "copied.json"
    files, stamps = _listed(address, shown)
    if not stamps:
        raise DatasetError(
            f"{shown}: holds no photos ({', '.join(PHOTO_SUFFIXES)}); name the folder in which "
            "the labels' folders lie"
        )
    known = remembered(note, _LARGEST_NOTE, "the photos are copied anew")
    for path in known.keys() - stamps.keys():
        (folder / path).unlink(missing_ok=True)
    lacking = sorted(
        path
        for path, stamp in stamps.items()
        if known.get(path) != stamp or not (folder / path).is_file()
    )
    whole.mkdir(parents=True, exist_ok=True)
    known = {path: known[path] for path in stamps.keys() & known.keys()}
    with Progress(f"copying {shown}", len(lacking)) as progress:
        for start in range(0, len(lacking), _AT_ONCE):
            some = lacking[start : start + _AT_ONCE]
            _copy(files, shown, some, folder)
            known |= {path: stamps[path] for path in some}
            # One that is stopped goes on from here.
            write_json(note, known)
            progress.step(len(some))
    write_json(note, known)
    return folder


class _Remote:
    """The file system of an address, and the folder meant there."""

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        self.files, root = url_to_fs(address)
        self.root = str(root).rstrip("/")

    def photos(self) -> dict[str, str]:
        """The photos' paths below the folder, and what tells each from its changed self."""
        found: dict[str, str] = {}
        start = f"{self.root}/" if self.root else ""
        self.files.invalidate_cache()
        for path, about in self.files.find(self.root, detail=True).items():
            inner = str(path).removeprefix(start).lstrip("/")
            parts = PurePosixPath(inner).parts
            # An archive or a server may name anything; nothing is written elsewhere.
            if ".." in parts or not inner.lower().endswith(PHOTO_SUFFIXES):
                continue
            found[inner] = " ".join(str(about[key]) for key in _STAMPS if key in about)
        return found

    def fetch(self, paths: Sequence[str], folder: Path) -> list[Path]:
        """Copy photos into a folder, side by side, under numbers for names."""
        start = f"{self.root}/" if self.root else ""
        targets = [folder / str(number) for number in range(len(paths))]
        self.files.get([start + path for path in paths], [str(target) for target in targets])
        return targets


def _listed(address: str, shown: str) -> tuple[_Remote, Mapping[str, str]]:
    try:
        remote = _Remote(address)
        return remote, remote.photos()
    except ImportError as error:
        if error.name == "fsspec":
            raise
        raise DatasetError(
            f"{shown}: reading such an address needs a further package ({error})"
        ) from error
    except Exception as error:
        raise _unreadable(shown, error) from error


def _copy(remote: _Remote, shown: str, paths: Sequence[str], folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as partial:
        try:
            copies = remote.fetch(paths, Path(partial))
        except Exception as error:
            raise _unreadable(shown, error) from error
        for path, copy in zip(paths, copies, strict=True):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(copy, target)


def _unreadable(shown: str, error: Exception) -> DatasetError:
    """Each kind of file system has errors of its own."""
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    return DatasetError(
        f"{shown}: its photos cannot be read ({type(error).__name__}: {reason}); look at the "
        "address and the connection, or copy the photos into a folder"
    )
