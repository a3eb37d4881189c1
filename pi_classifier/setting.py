"""How a settings dataclass declares what its values may be.

Each configurable class has a frozen dataclass of settings beside it; every field
is made by `setting`, so that one loader (`config.reading`) can check values, explain
them and list them, and one module (`config.options`) can make command-line options of
them, without any module importing either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, field
from typing import Any

LARGEST_SEED = 2**32 - 1
"""What every generator of random numbers takes: numpy's, TensorFlow's, Python's."""


def setting(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] | None = None,
    option: str | None = None,
    option_doc: str | None = None,
    metavar: str | None = None,
    shown: Callable[[str], str] | None = None,
) -> Any:
    """Declare one setting: its default, one line of documentation and its bounds.

    `minimum` and `maximum` are inclusive, `above` is not; `choices` lists the allowed
    strings, which a `Literal` does by itself. `option` is the command-line option where
    it is not called as the field is, `option_doc` its help where the setting's own does
    not fit (a switch that turns it off), `metavar` what stands for its value there. `shown`
    hides what is secret in a value, wherever it is shown or logged.
    A setting without a default (`dataclasses.MISSING`) has to be given.
    """
    metadata = {
        "doc": doc,
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "choices": choices,
        "option": option,
        "option_doc": option_doc,
        "metavar": metavar,
        "shown": shown,
    }
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def tables(doc: str, *, like: str = "") -> Any:
    """Declare an array of tables, ``[[array]]``: any number of one settings dataclass.

    Every table has a `name` of its own, which is one of the dataclass's settings. What it
    leaves out is as in the section `like`, or the setting's own default.
    """
    return field(default=(), metadata={"tables": doc, "like": like})
