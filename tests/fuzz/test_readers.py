"""The short search of the gate: every reader on its seeds and on the same changes each time.

`scripts/fuzz READER` searches for as long as one likes.
"""

from __future__ import annotations

import random

import pytest

from tests.fuzz.targets import TARGETS, Target

CHANGED = 150
SLOW = {"model": 40, "video": 40, "import-hdf5": 60}
NUMBERS = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff" * 4,
    b"\x00" * 4,
    b"9" * 30,
    b"1e400",
    b"-1",
)
MARKS = (b"\n", b'"', b"[", b"{", b"]]", b"\x1b[2J", b"\xe2\x80\xae", b"\xed\xa0\x80", b"=", b"'")


def changed(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A seed in which a few bytes are others, gone, doubled, or come from another seed."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 2, 4, 8, 64))
        how = chance.randrange(6)
        if how == 0:
            data[place : place + 1] = bytes((chance.randrange(256),))
        elif how == 1:
            del data[place : place + length]
        elif how == 2:
            data[place:place] = data[place : place + length]
        elif how == 3:
            data[place : place + length] = chance.choice(NUMBERS)
        elif how == 4:
            data[place:place] = chance.choice(MARKS)
        else:
            other = chance.choice(seeds)
            data[place:] = other[chance.randrange(len(other) + 1) :]
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_bytes_are_read_or_refused_as_documented(target: Target) -> None:
    seeds = target.seeds()
    assert all(target.attempt(seed) for seed in seeds), "a seed is no sound input"
    chance = random.Random(target.name)
    refused = 0
    for _ in range(SLOW.get(target.name, CHANGED)):
        refused += not target.attempt(changed(chance, seeds))
    assert refused, "nothing was refused: the changes reach no check"
