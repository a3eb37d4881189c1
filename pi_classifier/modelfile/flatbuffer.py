"""Reads FlatBuffers tables, refusing every reference that leaves the data.

The accessors of the `flatbuffers` package trust their input: a damaged offset reads
from the wrong end, a damaged length a gigabyte. Model files come from anywhere, so
this reader checks each step. Format: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pi_classifier.printable import printable

_FORMATS = {
    "bool": struct.Struct("<?"),
    "int8": struct.Struct("<b"),
    "uint8": struct.Struct("<B"),
    "uint16": struct.Struct("<H"),
    "int32": struct.Struct("<i"),
    "uint32": struct.Struct("<I"),
    "int64": struct.Struct("<q"),
    "uint64": struct.Struct("<Q"),
    "float32": struct.Struct("<f"),
}
_BACK, _AHEAD, _SIZES = struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<HH")
Scalar = Literal[
    "bool", "int8", "uint8", "uint16", "int32", "uint32", "int64", "uint64", "float32"
]

Number = TypeVar("Number", bound=np.generic)


class DamagedBuffer(ValueError):
    """The data are not a sound FlatBuffer."""

    @property
    def sentence(self) -> str:
        """What is wrong with the file and what to do, behind the file's name."""
        return f"is not a TFLite model or is damaged ({self}); copy the file again"


class Table:
    """One table at `position` of `data`; fields are named by their slot (0, 1, …)."""

    __slots__ = ("_fields", "data", "position")

    def __init__(self, data: memoryview, position: int) -> None:
        self.data = data
        self.position = position
        # A table begins with the distance back to its vtable: two sizes in bytes, its own and
        # the table's, then for each slot where the field lies in the table, 0 for no field.
        if position < 0 or position + 4 > len(data):
            raise DamagedBuffer(f"a reference leads to {position}, outside of {len(data)} bytes")
        vtable = position - _BACK.unpack_from(data, position)[0]
        if vtable < 0 or vtable + 4 > len(data):
            raise DamagedBuffer(f"table at {position} has no field list")
        size, extent = _SIZES.unpack_from(data, vtable)
        if size < 4 or size % 2 or vtable + size > len(data):
            raise DamagedBuffer(f"table at {position} has no sound field list")
        self._fields = fields = struct.unpack_from(f"<{size // 2 - 2}H", data, vtable + 4)
        if position + extent > len(data) or max(fields, default=0) >= extent:
            raise DamagedBuffer(f"table at {position} has fields outside of itself")

    @classmethod
    def root(cls, data: memoryview, identifier: bytes) -> Table:
        """Return the root table of `data`, which must carry the four-byte `identifier`."""
        if bytes(data[4:8]) != identifier:
            raise DamagedBuffer(f"no {identifier.decode()} identifier")
        return cls(data, int(_number(data, 0, "uint32")))

    @property
    def slots(self) -> int:
        """How many slots the table's writer knew."""
        return len(self._fields)

    def _field(self, slot: int) -> int | None:
        offset = self._fields[slot] if slot < len(self._fields) else 0
        return self.position + offset if offset else None

    def number(self, slot: int, kind: Scalar, default: float = 0) -> int | float:
        """Return a scalar field."""
        at = self._field(slot)
        return default if at is None else _number(self.data, at, kind)

    def integer(self, slot: int, kind: Scalar, default: int = 0) -> int:
        """Return a whole-number field."""
        return int(self.number(slot, kind, default))

    def target(self, slot: int) -> int | None:
        """Return the position that a table, vector or string field refers to."""
        at = self._field(slot)
        return None if at is None else _follow(self.data, at)

    def table(self, slot: int) -> Table | None:
        """Return a field that is a table."""
        at = self.target(slot)
        return None if at is None else Table(self.data, at)

    def _vector(self, slot: int, item_size: int, limit: int) -> tuple[int, int]:
        at = self.target(slot)
        if at is None:
            return 0, 0
        count = int(_number(self.data, at, "uint32"))
        if count > limit or at + 4 + count * item_size > len(self.data):
            raise DamagedBuffer(f"list of {count} items at {at} is too long")
        return at + 4, count

    def raw(self, slot: int) -> memoryview:
        """Return a field that is a list of bytes, without copying it."""
        start, count = self._vector(slot, 1, len(self.data))
        return self.data[start : start + count]

    def text(self, slot: int, limit: int = 1 << 20) -> str:
        """Return a string field, as `printable` makes it, "" where it is missing."""
        start, count = self._vector(slot, 1, limit)
        return printable(bytes(self.data[start : start + count]).decode("utf-8", "replace"))

    def numbers(self, slot: int, kind: Scalar, limit: int = 1 << 16) -> tuple[int | float, ...]:
        """Return a field that is a list of at most `limit` scalars."""
        item = _FORMATS[kind]
        start, count = self._vector(slot, item.size, limit)
        return struct.unpack_from(f"<{count}{item.format[-1]}", self.data, start)

    def array(self, slot: int, dtype: np.dtype[Number], limit: int = 1 << 20) -> NDArray[Number]:
        """Return a field that is a list of at most `limit` scalars, without copying it."""
        start, count = self._vector(slot, dtype.itemsize, limit)
        return np.frombuffer(self.data, dtype, count, start)

    def tables(self, slot: int, limit: int = 1 << 16) -> list[Table]:
        """Return a field that is a list of at most `limit` tables."""
        start, count = self._vector(slot, 4, limit)
        return [Table(self.data, _follow(self.data, start + 4 * i)) for i in range(count)]


def _number(data: memoryview, at: int, kind: Scalar) -> int | float:
    item = _FORMATS[kind]
    if at < 0 or at + item.size > len(data):
        raise DamagedBuffer(f"a reference leads to {at}, outside of {len(data)} bytes")
    value: int | float = item.unpack_from(data, at)[0]
    return value


def _follow(data: memoryview, at: int) -> int:
    if at < 0 or at + 4 > len(data):
        raise DamagedBuffer(f"a reference leads to {at}, outside of {len(data)} bytes")
    ahead: int = _AHEAD.unpack_from(data, at)[0]
    return at + ahead
