"""What a test needs that not every run of it has; each marker says which run has it."""

from __future__ import annotations

import os

import pytest

from pi_classifier.inference.interpreter import installed_runtimes

NEEDS_LITERT = pytest.mark.skipif(
    "litert" not in installed_runtimes(),
    reason="LiteRT alone keeps packed weights; scripts/test also runs this file with LiteRT",
)
NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root may give files to another user; scripts/test runs this when root runs it",
)
