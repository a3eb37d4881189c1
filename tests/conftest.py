"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.browser import Browser

# The gate tries the same examples every time, so that it never fails by chance; scripts/fuzz
# searches at random. Machines that run tests are shared and noisy: speed is scripts/bench's
# business, hence no deadline.
settings.register_profile("gate", derandomize=True, database=None, deadline=None)
settings.register_profile("search", max_examples=500, print_blob=True, deadline=None)
settings.load_profile("gate")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real browser, for a module's tests of pages."""
    from tests.browser import Browser

    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def nothing_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process know of no model yet that it may be opened."""
    from pi_classifier.inference import verifier

    monkeypatch.setattr(verifier, "_passed_here", {})


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Take away the log a test has set up: its stream ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    logging.captureWarnings(capture=False)
    root.setLevel(level)
