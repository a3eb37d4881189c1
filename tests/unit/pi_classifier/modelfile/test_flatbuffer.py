from __future__ import annotations

import struct

import flatbuffers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table


def sample() -> bytes:
    """A table with a number, a text, a list of floats, a list of tables and bytes."""
    b = flatbuffers.Builder(64)
    text = b.CreateString("daisy")
    raw = b.CreateByteVector(b"\x01\x02\x03")
    b.StartVector(4, 2, 4)
    b.PrependFloat32(2.5)
    b.PrependFloat32(1.5)
    floats = b.EndVector()
    inner = []
    for value in (7, -8):
        b.StartObject(1)
        b.PrependInt8Slot(0, value, 0)
        inner.append(b.EndObject())
    b.StartVector(4, 2, 4)
    for offset in reversed(inner):
        b.PrependUOffsetTRelative(offset)
    tables = b.EndVector()
    b.StartObject(6)
    b.PrependUint32Slot(0, 70000, 0)
    for slot, offset in ((1, text), (2, floats), (3, tables), (4, raw)):
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    b.Finish(b.EndObject(), file_identifier=b"TEST")
    return bytes(b.Output())


def root(data: bytes) -> Table:
    return Table.root(memoryview(data), b"TEST")


def test_reads_what_the_flatbuffers_package_writes() -> None:
    table = root(sample())
    assert table.integer(0, "uint32") == 70000
    assert table.text(1) == "daisy"
    assert table.numbers(2, "float32") == (1.5, 2.5)
    assert [t.integer(0, "int8") for t in table.tables(3)] == [7, -8]
    assert bytes(table.raw(4)) == b"\x01\x02\x03"


def test_missing_fields_have_defaults() -> None:
    table = root(sample())
    for slot in (5, 6, 99):
        assert table.integer(slot, "int32", 3) == 3
        assert table.text(slot) == ""
        assert table.numbers(slot, "float32") == ()
        assert table.tables(slot) == []
        assert table.table(slot) is None
        assert bytes(table.raw(slot)) == b""


def test_wrong_identifier() -> None:
    with pytest.raises(DamagedBuffer, match="TFL3"):
        Table.root(memoryview(sample()), b"TFL3")


def test_list_longer_than_the_limit() -> None:
    assert len(root(sample()).tables(3, limit=2)) == 2
    with pytest.raises(DamagedBuffer, match="too long"):
        root(sample()).tables(3, limit=1)


def walk(table: Table) -> None:
    table.integer(0, "uint32")
    table.text(1)
    table.numbers(2, "float32")
    for inner in table.tables(3):
        inner.integer(0, "int8")
    table.raw(4)


@given(st.integers(0, len(sample()) - 1))
def test_any_truncation_is_refused_or_read_within_bounds(length: int) -> None:
    try:
        walk(root(sample()[:length]))
    except DamagedBuffer:
        return
    # What was cut off can only have been text that nothing refers to.
    assert length > len(sample()) - 8


@given(
    st.integers(0, len(sample()) - 4),
    st.sampled_from([0, 1, 3, 4, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
    | st.integers(0, 0xFFFFFFFF),
)
def test_any_damaged_word_never_leads_outside(at: int, word: int) -> None:
    data = bytearray(sample())
    struct.pack_into("<I", data, at, word)
    outcome = "read"
    try:
        walk(root(bytes(data)))
    except DamagedBuffer:
        outcome = "refused"
    assert outcome in ("read", "refused")


def test_huge_list_is_refused_before_it_is_read() -> None:
    data = bytearray(sample())
    at = root(sample()).target(2)
    assert at is not None
    struct.pack_into("<I", data, at, 0x3FFFFFFF)
    with pytest.raises(DamagedBuffer, match="too long"):
        root(bytes(data)).numbers(2, "float32", limit=1 << 31)
