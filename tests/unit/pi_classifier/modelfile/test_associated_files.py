from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_classifier.errors import ModelFileError
from pi_classifier.modelfile.associated_files import read_associated_files

PATH = Path("model.tflite")
NETWORK = b"TFL3" * 500
MOST_BYTES = {"labels.txt": 1000, "own.json": 2000}
LABELS, OWN = b"daisy\nrose\n", b'{"a": 1}' * 20
END_BYTES, ENTRY_BYTES = 22, 46


def model(
    files: dict[str, bytes] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
    network: bytes = NETWORK,
    comment: bytes = b"",
) -> bytes:
    """A network with an archive that counts from the file's beginning."""
    content = io.BytesIO(network)
    with zipfile.ZipFile(content, "a", method) as archive:
        for name, data in (files or {"labels.txt": LABELS, "own.json": OWN}).items():
            archive.writestr(name, data)
        archive.comment = comment
    return content.getvalue()


def read(content: bytes) -> dict[str, bytes]:
    return read_associated_files(PATH, memoryview(content), MOST_BYTES)


def changed(content: bytes, at: int, layout: str, *values: int | bytes) -> bytes:
    """`content` with other values at a place, which counts from the end where negative."""
    at += len(content) if at < 0 else 0
    data = struct.pack(layout, *values)
    return content[:at] + data + content[at + len(data) :]


def entry(content: bytes, number: int) -> int:
    """Where an entry of the central directory begins."""
    start = -1
    for _ in range(number + 1):
        start = content.index(b"PK\1\2", start + 1)
    return start


class TestWhatIsRead:
    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_the_files_asked_for(self, method: int) -> None:
        files = {"notes.txt": b"?" * 9999, "labels.txt": LABELS, "own.json": OWN}
        assert read(model(files, method)) == {"labels.txt": LABELS, "own.json": OWN}

    def test_none_without_an_archive_or_such_files(self) -> None:
        assert read(b"") == read(NETWORK) == read(model({"other.txt": b"1"})) == {}

    def test_an_archive_that_counts_from_its_own_beginning(self) -> None:
        """As MediaPipe's tools append it."""
        assert read(NETWORK + model(network=b"")) == {"labels.txt": LABELS, "own.json": OWN}

    def test_of_two_archives_the_last(self) -> None:
        assert read(model() + model({"labels.txt": b"tulip"}, network=b"")) == {
            "labels.txt": b"tulip"
        }

    def test_folders_comments_and_empty_files(self) -> None:
        files = {"folder/": b"", "labels.txt": b"", "folder/own.json": OWN}
        assert read(model(files, comment=b"by hand")) == {"labels.txt": b""}

    @settings(max_examples=150, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(["labels.txt", "own.json", "été.txt", "a/b"]),
            st.binary(max_size=300),
            min_size=1,
        ),
        st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
        st.binary(max_size=40),
    )
    def test_as_zipfile_reads_them(
        self, files: dict[str, bytes], method: int, comment: bytes
    ) -> None:
        expected = {name: data for name, data in files.items() if name in MOST_BYTES}
        if b"PK" not in comment:
            assert read(model(files, method, comment=comment)) == expected


SOUND = model()
STORED = model(method=zipfile.ZIP_STORED)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (model(method=zipfile.ZIP_BZIP2), "'labels.txt' in its archive is packed with bzip2"),
        (model(method=zipfile.ZIP_LZMA), "packed with LZMA; expected deflate or no compression"),
        (model({"big": b"1"}, zipfile.ZIP_BZIP2), "'big' in its archive is packed with bzip2"),
        (model({"labels.txt": bytes(1001)}), "labels.txt in it is larger than the 0.001 MB"),
        (model({"labels.txt": bytes(1001)}, 0), "labels.txt in it is larger than the 0.001 MB"),
        (model({f"{i}": b"" for i in range(101)}), "lists 101 files in"),
        (model({"x" * 60_000 + str(i): b"" for i in range(2)}), "lists 2 files in 12"),
        (changed(SOUND, entry(SOUND, 0) + 8, "<H", 1), "'labels.txt' in its archive is encrypted"),
        (changed(SOUND, entry(SOUND, 0) + 46, "B", 0), "its list of files is not one"),
        (changed(SOUND, entry(SOUND, 1) + 42, "<L", 0xFFFFFFFF), "is not where the list says"),
        (changed(SOUND, entry(SOUND, 1) + 20, "<L", 0xFFFFFFFF), "'own.json' is cut short"),
        (changed(SOUND, entry(SOUND, 0) + 16, "<L", 1), "'labels.txt' has a wrong checksum"),
        (changed(SOUND, entry(SOUND, 0) + 24, "<L", 1), "'labels.txt' has a wrong checksum"),
        (changed(SOUND, entry(SOUND, 0) + 20, "<L", 2), "wrong checksum"),
        (changed(STORED, entry(STORED, 0) + 20, "<L", 200), "'own.json' lies within another"),
        (changed(SOUND, len(NETWORK) + 30, "B", 65), "is not where the list says"),
        (changed(SOUND, -10, "<L", 9999), "list of files|lists 2 files"),
        (changed(SOUND, -6, "<L", 0xFFFFFF), "its list of files is missing"),
        (changed(SOUND, -14, "<HH", 3, 3), "its list of files is cut short"),
        (changed(SOUND, -14, "<HH", 0xFFFF, 0xFFFF), "lists 65,535 files"),
        (changed(SOUND, -18, "<H", 1), "its end is cut off"),
        (SOUND + b"more", "its end is cut off"),
        (SOUND[:-1], "damaged"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_what_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(ModelFileError, match=f"^model.tflite: .*({says})"):
        read(content)


def test_a_name_that_is_there_twice() -> None:
    content = io.BytesIO(NETWORK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of the second name
        with zipfile.ZipFile(content, "a") as archive:
            archive.writestr("labels.txt", LABELS)
            archive.writestr("labels.txt", b"tulip")
    with pytest.raises(ModelFileError, match=r"'labels\.txt' is there twice"):
        read(content.getvalue())


def test_a_size_that_is_a_lie_takes_no_memory() -> None:
    bomb = model({"labels.txt": bytes(20_000_000)})
    content = changed(bomb, entry(bomb, 0) + 24, "<L", 1)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="larger than"):
            read(content)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(len(NETWORK), len(SOUND) - 1),
            st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(len(NETWORK), len(SOUND)) | st.just(len(SOUND)),
)
def test_any_damage_is_refused_or_harmless(flips: list[tuple[int, int]], length: int) -> None:
    content = bytearray(SOUND)
    for at, value in flips:
        content[at] = value
    try:
        files = read(bytes(content[:length]))
    except ModelFileError as error:
        assert str(error).startswith("model.tflite: ")  # noqa: PT017
    else:
        assert files.items() <= {"labels.txt": LABELS, "own.json": OWN}.items()
