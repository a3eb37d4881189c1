"""Downloads a public data set: resumed where it broke off, verified, unpacked safely."""

from __future__ import annotations

import hashlib
import http.client
import os
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pi_classifier_training.errors import DatasetError

TIMEOUT_S = 30.0
TRIES = 5
_BLOCK = 1 << 18
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set on the web: one archive holding one folder, pinned by size and SHA-256.

    `notice` is the file in it that names who is to be named; where the archive has none,
    `attribution` is what is written there. `inner` is an archive within the archive that
    holds the folder. `target` is where the folder is put, under its own name if empty.
    """

    url: str
    sha256: str
    size_bytes: int
    folder: str
    notice: str
    license: str
    target: str = ""
    inner: str = ""
    attribution: str = ""

    def within(self, to: Path) -> Path:
        """Its folder of photos, where it is fetched into the folder `to`."""
        return to / (self.target or self.folder)


# The folders of negatives lie so that each sub-folder is a source, see `data.negatives`.
NEGATIVES = "negatives"
_CALTECH = """Caltech-101, by Fei-Fei Li, Marco Andreetto, Marc'Aurelio Ranzato and Pietro Perona
(California Institute of Technology, 2003; published in 2022 as doi:10.22002/D1.20086).
License: Creative Commons Attribution 4.0, https://creativecommons.org/licenses/by/4.0/
"""
_BEANS = """Bean disease dataset, by the Makerere AI Lab, https://github.com/AI-Lab-Makerere/ibean/
License: MIT. Copyright (c) 2020 AI-Lab-Makerere.
"""

# Size and hash of each archive are those of TensorFlow Datasets' checksum lists; that of the
# Caltech archive is stated alike in several public programs that check it.
DATA_SETS: Mapping[str, tuple[DataSet, ...]] = {
    "flower_photos": (
        DataSet(
            url="https://download.tensorflow.org/example_images/flower_photos.tgz",
            sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            size_bytes=228_813_984,
            folder="flower_photos",
            notice="LICENSE.txt",
            license="CC BY 2.0",
        ),
    ),
    NEGATIVES: (
        DataSet(
            url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
            sha256="331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91",
            size_bytes=137_414_764,
            folder="101_ObjectCategories",
            notice="NOTICE.txt",
            license="CC BY 4.0",
            target=f"{NEGATIVES}/caltech-101",
            inner="caltech-101/101_ObjectCategories.tar.gz",
            attribution=_CALTECH,
        ),
        *(
            DataSet(
                url=f"https://storage.googleapis.com/ibeans/{name}.zip",
                sha256=sha256,
                size_bytes=size_bytes,
                folder=name,
                notice="NOTICE.txt",
                license="MIT",
                target=f"{NEGATIVES}/beans/{name}",
                attribution=_BEANS,
            )
            for name, size_bytes, sha256 in (
                (
                    "validation",
                    18_504_213,
                    "90b7aa1c26d91d9afff07a30bbc67a5ea34f1f1397f068d8675be09d7d0c602d",
                ),
                (
                    "test",
                    17_708_541,
                    "ca67b15d960d1e2fd9d23fd8498ce86818ead90755c630a43baf19ec4af09312",
                ),
            )
        ),
    ),
}


class _Broken(Exception):
    """The connection broke; what came so far is kept."""


def fetch(
    data_set: DataSet,
    to: Path,
    step: Callable[[int], None] = lambda _: None,
    pause_s: float = 2.0,
) -> Path:
    """Download `data_set` into the folder `to`; return the folder of photos.

    When the connection breaks, what arrived stays in a ``.partial`` file, which up to four
    more tries, `pause_s` apart, and the next call add to. `step` is told the bytes as
    they are there. Raises DatasetError without a network, for a wrong hash (the file is
    removed), an unsafe archive, or when the folder is there already.
    """
    folder = data_set.within(to)
    if folder.exists():
        raise DatasetError(f"{folder}: is there already; remove it to fetch it again")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = to / f"{Path(data_set.url).name}.partial"
    step(_size(partial))
    for attempt in range(TRIES):
        try:
            _download(data_set, partial, step)
            break
        except _Broken as error:
            if attempt == TRIES - 1:
                raise DatasetError(
                    f"{data_set.url}: {error}; {_size(partial):,} of {data_set.size_bytes:,} "
                    "bytes are there. Check the network and run the same command again: it "
                    "goes on where it stopped"
                ) from error
            time.sleep(pause_s)
    _verify(data_set, partial)
    _unpack(data_set, partial, folder)
    partial.unlink()
    return folder


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _download(data_set: DataSet, partial: Path, step: Callable[[int], None]) -> None:
    """Append what is missing to `partial`. Raises _Broken when the connection ends early."""
    present = _size(partial)
    if present >= data_set.size_bytes:
        return
    headers = {"User-Agent": "pi-classifier-train", "Accept-Encoding": "identity"}
    if present:
        headers["Range"] = f"bytes={present}-"
    request = urllib.request.Request(data_set.url, headers=headers)  # noqa: S310 - https, pinned
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            # A server without Range support starts from the beginning.
            resumed = response.status == _PARTIAL_CONTENT
            if present and not resumed:
                step(-present)
            _append(response, partial, "ab" if resumed else "wb", data_set, step)
    except urllib.error.HTTPError as error:
        if error.code == _RANGE_NOT_SATISFIABLE:
            partial.unlink()
        if error.code >= 500 or error.code == _RANGE_NOT_SATISFIABLE:
            raise _Broken(f"the server answered {error.code} {error.reason}") from error
        raise DatasetError(
            f"{data_set.url}: the server answered {error.code} {error.reason}; the data set "
            "may have moved"
        ) from error
    except urllib.error.URLError as error:
        raise _Broken(f"cannot be reached ({error.reason})") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Broken(f"the connection broke ({error or type(error).__name__})") from error
    if _size(partial) < data_set.size_bytes:
        raise _Broken("the connection ended early")


def _append(
    response: http.client.HTTPResponse,
    partial: Path,
    mode: str,
    data_set: DataSet,
    step: Callable[[int], None],
) -> None:
    with partial.open(mode) as file:
        while block := response.read(_BLOCK):
            file.write(block)
            step(len(block))
            if file.tell() > data_set.size_bytes:
                return  # longer than it may be: the hash will tell


def _verify(data_set: DataSet, partial: Path) -> None:
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != data_set.sha256:
        size = _size(partial)
        partial.unlink()
        raise DatasetError(
            f"{data_set.url}: what arrived is not the published archive ({size:,} bytes, "
            f"SHA-256 {digest}; expected {data_set.size_bytes:,}, {data_set.sha256}); it was "
            "removed. Is there a login page in between? Try again on another network"
        )


def _unpack(data_set: DataSet, archive: Path, folder: Path) -> None:
    """Unpack beside the final place and rename, so that the folder is whole or not there."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as text:
        place = Path(text)
        try:
            _extract(archive, place)
            if data_set.inner:
                _extract(place / data_set.inner, place / "inner")
                place /= "inner"
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, FileNotFoundError) as error:
            raise DatasetError(f"{archive}: is no safe archive of photos ({error})") from error
        unpacked = place / data_set.folder
        if data_set.attribution and unpacked.is_dir():
            (unpacked / data_set.notice).write_text(data_set.attribution, "utf-8")
        if not (unpacked / data_set.notice).is_file():
            raise DatasetError(
                f"{archive}: lacks {data_set.folder}/{data_set.notice}, the names of the "
                f"photographers, which {data_set.license} asks for"
            )
        os.replace(unpacked, folder)  # noqa: PTH105 - a folder, in one step


def _extract(archive: Path, place: Path) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as files:
            # What would lead outside stays inside, and no links are made.
            files.extractall(place)  # noqa: S202
        return
    with tarfile.open(archive) as tar:
        # Refuses paths that lead outside, links that do, devices.
        tar.extractall(place, filter="data")
