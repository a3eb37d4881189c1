"""What the system tests share: clean Debian roots and the real packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from .box import missing_for_boxes
from .roots import Recipe, debian_root, missing_for_roots


@pytest.fixture(scope="session")
def bookworm_root() -> Path:
    """A clean Debian 12 with all that the package depends on; boxes never write into it."""
    return _root("bookworm")


@pytest.fixture(scope="session")
def trixie_root() -> Path:
    """A clean Debian 13 with all that the package depends on; boxes never write into it."""
    return _root("trixie")


def _root(suite: str) -> Path:
    missing = missing_for_boxes() or missing_for_roots()
    if missing:
        pytest.skip(f"NO SYSTEM TESTS HERE: {missing}")
    return debian_root(Recipe(suite))
