"""Options of the command line, derived from a settings dataclass.

The dataclass is the only place that declares an option: its field gives the name, the
type, the default, the bounds, the choices and the help (see `setting`).

    add_options(parser, TrainingOptions)                    # --epochs, --rate, ...
    training = read_options(namespace, TrainingOptions)

True-or-false fields become switches that turn the default round (``--no-NAME`` where it
is true). A tuple of a fixed number of values is one word, ``X,Y,Z`` or one number for all;
a tuple of any number of numbers takes several words behind its option, any other tuple is
an option that may be given several times.
"""

from __future__ import annotations

import argparse
import typing
from collections.abc import Callable, Collection, Iterator
from dataclasses import MISSING, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pi_classifier.config.schema import Key, keys_of
from pi_classifier.printable import printable

T = TypeVar("T")
# A parser or a group of arguments; argparse has no public name for both.
Arguments: TypeAlias = "argparse._ActionsContainer"  # noqa: SLF001

_LONGEST_SHOWN = 60
_METAVARS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


def add_options(
    arguments: Arguments,
    settings: type,
    names: Collection[str] | None = None,
    *,
    exclusive: Collection[str] = (),
    configured: bool = False,
) -> None:
    """Add the options of a settings dataclass: all its settings, or those in `names`.

    Only one of those in `exclusive` may be given. Where a configuration file says what
    holds without the option (`configured`), the help does not name a default.
    """
    group = arguments.add_mutually_exclusive_group() if exclusive else arguments
    for key in _options(settings, names):
        target = group if key.name in exclusive else arguments
        target.add_argument(flag_of(key), dest=_destination(key), **_described(key, configured))


def given_options(
    namespace: argparse.Namespace, settings: type, names: Collection[str] | None = None
) -> dict[str, Any]:
    """What was given on the command line, by field; what was left out is missing."""
    values = {
        key.name: getattr(namespace, _destination(key), None) for key in _options(settings, names)
    }
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def read_options(namespace: argparse.Namespace, settings: type[T], **others: Any) -> T:
    """The settings as the command line gives them; `others` are the fields that are no options.

    Raises whatever the dataclass itself refuses.
    """
    return settings(**(given_options(namespace, settings) | others))


def flag_of(key: Key) -> str:
    """The option of a setting, such as ``--fine-tune``."""
    prefix = "no-" if key.default is True else ""
    return key.option or f"--{prefix}{key.name.replace('_', '-')}"


def value_of(key: Key) -> Callable[[str], Any]:
    """A converter of an option's text, for argparse: checked as the setting's values are."""
    expected = replace(key, type=_element(key), choices=None)

    def convert(text: str) -> Any:
        try:
            return expected.check(_element(key)(text))
        except ValueError:
            shown = printable(text, _LONGEST_SHOWN)
            raise argparse.ArgumentTypeError(f"{shown!r}: expected {expected.allowed}") from None

    return convert


def _options(settings: type, names: Collection[str] | None) -> Iterator[Key]:
    keys = keys_of("", settings)
    for name in keys if names is None else names:
        yield keys[name]


def _destination(key: Key) -> str:
    return flag_of(key).lstrip("-").replace("-", "_")


def _described(key: Key, configured: bool) -> dict[str, Any]:
    """The keywords of `add_argument`; what is not given stays None, see `given_options`."""
    keywords: dict[str, Any] = {"help": _help(key, configured), "default": None}
    if key.base is bool:
        return {**keywords, "action": "store_const", "const": not key.default}
    if _fixed_length(key):
        names = "XYZUVW"[: _fixed_length(key)]
        several = f"{names[0]}[,{','.join(names[1:])}]"
        return {**keywords, "type": _values_of(key), "metavar": key.metavar or several}
    if typing.get_origin(key.base) is tuple:
        keywords |= {"nargs": "+"} if _element(key) in (int, float) else {"action": "append"}
    metavar = key.metavar or (None if key.choices else _METAVARS[_element(key)])
    return {
        **keywords,
        "type": value_of(key),
        "choices": key.choices,
        "metavar": metavar,
        "required": key.default is MISSING,
    }


def _fixed_length(key: Key) -> int:
    """How many values a tuple holds; 0 for one of any length, and for no tuple."""
    kinds = typing.get_args(key.base) if typing.get_origin(key.base) is tuple else ()
    return 0 if Ellipsis in kinds else len(kinds)


def _values_of(key: Key) -> Callable[[str], Any]:
    """A converter of ``X,Y,Z``, or of one number that stands for all of them."""
    length = _fixed_length(key)
    one = value_of(key)

    def convert(text: str) -> Any:
        values = tuple(one(part) for part in text.split(","))
        if len(values) not in (1, length):
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected one number, or {length} with commas between"
            )
        return values * length if len(values) == 1 else values

    return convert


def _element(key: Key) -> Any:
    """The type of one value."""
    return typing.get_args(key.base)[0] if typing.get_origin(key.base) is tuple else key.base


def _help(key: Key, configured: bool) -> str:
    text = (key.option_doc or key.doc).replace("%", "%%")
    if configured or isinstance(key.default, bool) or key.default in (None, "", (), MISSING):
        return text
    default = f"{key.default:g}" if isinstance(key.default, float) else str(key.default)
    return f"{text} (default: {default})"
