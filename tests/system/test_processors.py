"""The daemon on a Raspberry Pi's processor, emulated: same labels, same scores.

The short part of scripts/arm: one Debian, the processor of a Zero 2 W and a Pi 3 (the least
that a 64-bit Raspberry Pi OS runs on), some dozens of frames.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tests.system.roots import missing_for_roots

from .processors.emulation import missing_for_emulation
from .processors.machines import processor
from .processors.places import BOOKWORM, Place
from .processors.trials import Scoring, demo

PLACE = Place(BOOKWORM, processor("cortex-a53"))
FRAMES = 12
MODELS = ("fast", "accurate", "fast-rounded")


@functools.cache
def _skip_reason() -> str:
    return missing_for_emulation() or missing_for_roots()


@pytest.fixture(autouse=True)
def _possible() -> None:
    if _skip_reason():
        pytest.skip(f"NO TESTS ON THE PI'S PROCESSOR HERE: {_skip_reason()}")


def test_scores_are_those_of_this_machine(tmp_path: Path) -> None:
    found = {each.model: each for each in Scoring(FRAMES, tmp_path).at(PLACE, FRAMES)}
    assert set(MODELS) < set(found)
    for name in MODELS:
        assert found[name].pictures == FRAMES
    # Not all one label at score 1: such a comparison would show nothing.
    assert all(each.golden_off <= each.golden_tolerance for each in found.values())
    assert [each for each in found.values() if not each.within] == []


def test_the_demo_decides_as_on_this_machine() -> None:
    lines = demo(PLACE, 14)
    assert len(lines.there) == 1
    assert lines.same_decisions, lines
    assert lines.largest < 0.001
