"""What a settings dataclass allows, read from its fields.

A section of the configuration is a frozen dataclass whose fields were made by
`setting.setting`. From the annotation, the bounds and the choices of a field
follow the check of a value, the words that say what is allowed, and its TOML.

Field types: str, int, float, bool, Path, `Literal` of strings, `X | None`,
`tuple[X, ...]`, `tuple[X, Y, Z]` and `dict[str, str]`. TOML has no null: the string
"none" stands for None.
"""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from pi_classifier.printable import printable

NONE = "none"
# No setting is meant to be larger, and these fit every unit they are converted to: in seconds
# the first is thirty years, in nanoseconds still a whole number of 64 bits.
LARGEST_NUMBER = 1e9
LARGEST_WHOLE = 10**15

_NAMES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}
_PLURALS = {
    str: "strings",
    int: "whole numbers",
    float: "numbers",
    bool: "true or false",
    Path: "paths",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: `section.name`, its type, default, documentation and bounds."""

    section: str
    name: str
    type: Any
    default: Any
    doc: str
    minimum: float | None
    above: float | None
    maximum: float | None
    choices: Sequence[str] | None
    option: str | None = None
    option_doc: str | None = None
    metavar: str | None = None
    shown: Callable[[str], str] | None = None

    @property
    def path(self) -> str:
        """The full name, as `--set` takes it."""
        return f"{self.section}.{self.name}"

    @property
    def optional(self) -> bool:
        """Whether the value may be None."""
        return type(None) in typing.get_args(self.type)

    @property
    def base(self) -> Any:
        """The type without `| None`."""
        if not self.optional:
            return self.type
        return next(kind for kind in typing.get_args(self.type) if kind is not type(None))

    @property
    def allowed(self) -> str:
        """What the value may be, in words."""
        words = _in_words(self.base)
        if self.choices is not None:
            words = f"one of {', '.join(json.dumps(choice) for choice in self.choices)}"
            if typing.get_origin(self.base) is tuple:
                words = f"a list, each {words}"
        if self.minimum is not None and self.maximum is not None:
            words += f" from {self.minimum:g} to {self.maximum:g}"
        elif self.above is not None and self.maximum is not None:
            words += f" above {self.above:g}, {self.maximum:g} at most"
        elif self.above is not None:
            words += f" above {self.above:g}"
        elif self.minimum is not None:
            words += f", {self.minimum:g} or more"
        elif self.maximum is not None:
            words += f", {self.maximum:g} or less"
        return f'{words}, or "{NONE}"' if self.optional else words

    def shown_toml(self, value: object) -> str:
        """The value as TOML, without what is secret in it."""
        if self.shown is not None and isinstance(value, str):
            value = self.shown(value)
        if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
            # Python refuses to write out thousands of digits.
            return f"a number of about {round(value.bit_length() * math.log10(2))} digits"
        return to_toml(value)

    def check(self, value: object) -> Any:
        """Return the value as the field's type; ValueError if it is not allowed."""
        if self.optional and (value is None or value == NONE):
            return None
        return self._converted(self.base, value)

    def _converted(self, kind: Any, value: object) -> Any:
        origin = typing.get_origin(kind)
        if origin is tuple:
            return self._converted_list(typing.get_args(kind), value)
        if origin is dict:
            if not isinstance(value, dict):
                raise ValueError(self.allowed)
            return {
                printable(str(name)): self._converted(str, text) for name, text in value.items()
            }
        return self._converted_scalar(kind, value)

    def _converted_list(self, kinds: tuple[Any, ...], value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(self.allowed)
        if len(kinds) == 2 and kinds[1] is Ellipsis:
            kinds = (kinds[0],) * len(value)
        if len(kinds) != len(value):
            raise ValueError(self.allowed)
        return tuple(self._converted(kind, item) for kind, item in zip(kinds, value, strict=True))

    def _converted_scalar(self, kind: type, value: object) -> Any:
        if kind is Path and isinstance(value, str | Path):
            return self._converted_path(value)
        if type(value) is int and abs(value) > LARGEST_WHOLE:
            raise ValueError(f"{self.allowed}, {LARGEST_WHOLE:g} at most")
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ValueError(self.allowed)
        if isinstance(value, str):
            if self.choices is not None and value not in self.choices:
                raise ValueError(self.allowed)
            if not _is_text(value):
                raise ValueError(f"{self.allowed}, in valid UTF-8 and without zero bytes")
        elif isinstance(value, int | float) and not self._in_bounds(value):
            raise ValueError(self.allowed)
        elif isinstance(value, float) and abs(value) > LARGEST_NUMBER:
            raise ValueError(f"{self.allowed}, {LARGEST_NUMBER:g} at most")
        return value

    def _converted_path(self, value: str | Path) -> Path:
        try:
            return Path(value).expanduser()
        except RuntimeError:  # nobody has that home folder
            raise ValueError(self.allowed) from None

    def _in_bounds(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
        )


def keys_of(section: str, settings: type) -> dict[str, Key]:
    """The settings of one section, by name, in the order they are declared.

    Fields of the dataclass that were not made by `setting` are none.
    """
    hints = typing.get_type_hints(settings)
    return {
        field.name: _key(section, field, hints[field.name])
        for field in fields(settings)
        if "doc" in field.metadata
    }


def _key(section: str, field: Field[Any], hint: Any) -> Key:
    key = Key(section, field.name, hint, _default(field), **field.metadata)
    element = typing.get_args(key.base)[0] if typing.get_origin(key.base) is tuple else key.base
    if typing.get_origin(element) is not Literal:
        return key
    kind: Any = str if element is key.base else tuple[str, ...]
    return replace(
        key,
        type=kind | None if key.optional else kind,
        choices=key.choices or typing.get_args(element),
    )


def to_toml(value: object) -> str:
    """Write a setting's value as TOML on one line."""
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(to_toml(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{_quoted(str(name))} = {to_toml(item)}" for name, item in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return repr(value) if isinstance(value, int | float) else str(value)


def _quoted(text: str) -> str:
    # JSON's strings are TOML's but for DEL, which TOML wants escaped
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # argv with bytes that are not UTF-8
        return False
    return "\0" not in value  # which no file, voice or host can have in its name


def _default(field: Field[Any]) -> Any:
    """The default, or MISSING."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _in_words(kind: Any) -> str:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is dict:
        return "a table of strings"
    if typing.get_origin(kind) is not tuple:
        return _NAMES[kind]
    if arguments[-1] is Ellipsis:
        return f"a list of {_PLURALS[arguments[0]]}"
    return f"a list of {len(arguments)} {_PLURALS[arguments[0]]}"
