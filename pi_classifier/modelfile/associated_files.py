"""The associated files of a model: members of a ZIP archive at the end of its file.

ZIP as in PKWARE's APPNOTE.TXT, as far as model files need it: a few files, stored or
deflated, none of them large. Python's `zipfile` reads far more, and believes the sizes
that an archive states; this reader refuses what no tool for models writes, before
anything is unpacked, and unpacks only what it is asked for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import ModelFileError

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_HEADER = struct.Struct("<4s5H3L2H")
_END_MARK, _ENTRY_MARK, _HEADER_MARK = b"PK\5\6", b"PK\1\2", b"PK\3\4"
_LONGEST_COMMENT = 0xFFFF
# Model files hold one to three files, or a label file for each of some dozen languages.
_MOST_FILES = 100
_LARGEST_DIRECTORY = 1 << 16
_ENCRYPTED, _UTF8 = 1 << 0, 1 << 11
_STORED, _DEFLATED = 0, 8
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz"}


class _Damaged(Exception):
    """The archive is not as ZIP archives are; the message says where."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in the archive, as its central directory describes it."""

    name: str
    method: int
    checksum: int
    packed_bytes: int
    size_bytes: int
    position: int


def read_associated_files(
    path: Path, data: memoryview, most_bytes: Mapping[str, int]
) -> dict[str, bytes]:
    """Return those files in the archive of the model file `data` that `most_bytes` names.

    `most_bytes` is how large each may be; `path` names the model file in errors. Missing
    files are left out; a model file without an archive has none. Raises `ModelFileError`
    for an archive that is damaged, or unlike that of any model file.
    """
    try:
        members = _members(path, data)
        return {
            name: _unpacked(path, data, members[name], limit)
            for name, limit in most_bytes.items()
            if name in members
        }
    except (_Damaged, zlib.error) as error:
        raise ModelFileError(
            f"{path}: its associated files are damaged ({error}); copy the file again"
        ) from None


def _members(path: Path, data: memoryview) -> dict[str, _Member]:
    """The archive's files by name, each with data of its own; none where there is no archive."""
    members: dict[str, _Member] = {}
    for member in _directory(path, data):
        if member.name in members:
            raise _Damaged(f"{member.name!r} is there twice")
        members[member.name] = member
    end = 0
    for member in sorted(members.values(), key=lambda member: member.position):
        if member.position < end:
            raise _Damaged(f"{member.name!r} lies within another file")
        end = member.position + member.packed_bytes
    return members


def _directory(path: Path, data: memoryview) -> Iterator[_Member]:
    tail = bytes(data[-(_END.size + _LONGEST_COMMENT) :])
    place = tail.rfind(_END_MARK)
    if place < 0:
        return
    if place + _END.size > len(tail):
        raise _Damaged("its end is cut off")
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(tail, place)
    end = len(data) - len(tail) + place
    # Tools that append a finished archive count from its beginning, others from the file's.
    start = end - size
    shift = start - offset
    if place + _END.size + comment != len(tail) or disk or first_disk or here != count:
        raise _Damaged("its end is cut off")
    if count > _MOST_FILES or size > _LARGEST_DIRECTORY:
        raise ModelFileError(
            f"{path}: its archive lists {count:,} files in {size:,} bytes; a model file holds "
            f"labels and little more, {_MOST_FILES} files at most"
        )
    if shift < 0:
        raise _Damaged("its list of files is missing")
    for _ in range(count):
        if start + _ENTRY.size > end:
            raise _Damaged("its list of files is cut short")
        member, start = _entry(path, data, start, shift)
        yield member


def _entry(path: Path, data: memoryview, place: int, shift: int) -> tuple[_Member, int]:
    """The file that the directory describes at `place`, and the place behind."""
    mark, _, _, flags, method, _, _, checksum, packed, size, *lengths, _, _, _, offset = (
        _ENTRY.unpack_from(data, place)
    )
    name = bytes(data[place + _ENTRY.size : place + _ENTRY.size + lengths[0]])
    if mark != _ENTRY_MARK or b"\0" in name or not name:
        raise _Damaged("its list of files is not one")
    shown = name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    if flags & _ENCRYPTED:
        raise ModelFileError(f"{path}: {shown!r} in its archive is encrypted; store it openly")
    if method not in (_STORED, _DEFLATED):
        raise ModelFileError(
            f"{path}: {shown!r} in its archive is packed with {_METHODS.get(method, method)}; "
            "expected deflate or no compression: pack the archive again"
        )
    position = _data_position(data, shift + offset, name, shown)
    if position + packed > len(data):  # as in ZIP64, where it is all ones
        raise _Damaged(f"{shown!r} is cut short")
    member = _Member(shown, method, checksum, packed, size, position)
    return member, place + _ENTRY.size + sum(lengths)


def _data_position(data: memoryview, place: int, name: bytes, shown: str) -> int:
    """Where a file's data begin, behind the header at `place`, which repeats its name."""
    if place + _HEADER.size > len(data):
        raise _Damaged(f"{shown!r} is not where the list says")
    mark, *_, name_bytes, extra_bytes = _HEADER.unpack_from(data, place)
    place += _HEADER.size
    if mark != _HEADER_MARK or bytes(data[place : place + name_bytes]) != name:
        raise _Damaged(f"{shown!r} is not where the list says")
    return int(place + name_bytes + extra_bytes)


def _unpacked(path: Path, data: memoryview, member: _Member, most_bytes: int) -> bytes:
    packed = data[member.position : member.position + member.packed_bytes]
    if member.method == _STORED:
        content, whole = packed[: most_bytes + 1], True
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        # The stated size may be a lie; one byte too many tells.
        content = memoryview(inflater.decompress(packed, most_bytes + 1))
        whole = inflater.eof and not inflater.unused_data
    if max(len(content), member.size_bytes) > most_bytes:
        raise ModelFileError(
            f"{path}: {member.name} in it is larger than the {most_bytes / 1e6:g} MB that are "
            "expected at most; make the file again"
        )
    if not whole or len(content) != member.size_bytes or zlib.crc32(content) != member.checksum:
        raise _Damaged(f"{member.name!r} has a wrong checksum")
    return bytes(content)
