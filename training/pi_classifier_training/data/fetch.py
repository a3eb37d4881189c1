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
    """A data set on the web: one archive holding one folder, pinned by size and SHA-256."""

    url: str
    sha256: str
    size_bytes: int
    folder: str
    notice: str
    license: str


# Size and hash are those that TensorFlow Datasets publishes for this archive.
DATA_SETS: Mapping[str, DataSet] = {
    "flower_photos": DataSet(
        url="https://download.tensorflow.org/example_images/flower_photos.tgz",
        sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
        size_bytes=228_813_984,
        folder="flower_photos",
        notice="LICENSE.txt",
        license="CC BY 2.0",
    )
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
    folder = to / data_set.folder
    if folder.exists():
        raise DatasetError(f"{folder}: is there already; remove it to fetch it again")
    to.mkdir(parents=True, exist_ok=True)
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
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        try:
            with tarfile.open(archive) as tar:
                # Refuses paths that lead outside, links that do, devices.
                tar.extractall(place, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise DatasetError(f"{archive}: is no safe archive of photos ({error})") from error
        unpacked = Path(place, data_set.folder)
        if not (unpacked / data_set.notice).is_file():
            raise DatasetError(
                f"{archive}: lacks {data_set.folder}/{data_set.notice}, the names of the "
                f"photographers, which {data_set.license} asks for"
            )
        os.replace(unpacked, folder)  # noqa: PTH105 - a folder, in one step
