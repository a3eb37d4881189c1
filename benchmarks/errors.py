"""What ends a benchmark."""

from __future__ import annotations


class BenchmarkError(Exception):
    """Something cannot be measured here; the message says what and why."""
