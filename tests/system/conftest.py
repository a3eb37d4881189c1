"""What the system tests share: clean Debian roots and the real packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .box import Box, missing_for_boxes
from .installed import Service, box_with_package, install
from .packages import built_package
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
        pytest.skip(f"NO SYSTEM TESTS HERE, which boot a real systemd as root: {missing}")
    return debian_root(Recipe(suite))


@pytest.fixture(scope="session")
def box(bookworm_root: Path, deb: Path) -> Iterator[Box]:
    """A booted Debian with the real package installed in it; many tests share it."""
    with box_with_package(bookworm_root, deb) as booted:
        install(booted)
        yield booted


@pytest.fixture
def service(box: Box) -> Iterator[Service]:
    """The installed service; stopped after the test."""
    service = Service(box)
    yield service
    service.end()


@pytest.fixture(scope="session")
def deb() -> Path:
    """The real package for this machine's kind of processor and bookworm's Python."""
    return built_package("amd64", "3.11")
