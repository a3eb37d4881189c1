"""How a settings dataclass declares what its values may be.

Each configurable class has a frozen dataclass of settings beside it; every field
is made by `setting`, so that one loader (`config`) can check values, explain them
and list them, without any module importing the loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any


def setting(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """Declare one setting: its default, one line of documentation and its bounds.

    Bounds are inclusive; `choices` lists the allowed strings.
    """
    metadata = {"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)
