"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The gate tries the same examples every time, so that it never fails by chance; scripts/fuzz
# searches at random. Machines that run tests are shared and noisy: speed is scripts/bench's
# business, hence no deadline.
settings.register_profile("gate", derandomize=True, database=None, deadline=None)
settings.register_profile("search", max_examples=500, print_blob=True, deadline=None)
settings.load_profile("gate")


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
