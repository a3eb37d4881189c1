"""One section of the configuration, or one table of an array, gathered from all sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pi_classifier.config.schema import Key, to_toml
from pi_classifier.config.settings import KEYS
from pi_classifier.suggest import suggestion


class Section:
    """Checked values by name, each with where it came from; a later source wins.

    `path` stands before the names in messages, and in the sources of `Configuration`.
    """

    def __init__(self, path: str, keys: Mapping[str, Key]) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self._keys = {name: replace(key, section=path) for name, key in keys.items()}

    def take(self, source: str, name: str, value: object) -> str:
        """Take a value as one source gives it; returns what is wrong with it, or ""."""
        key = self._keys.get(name)
        if key is None:
            return f"{source}: {self._unknown(name, value)}"
        try:
            checked = key.check(value)
        except ValueError as error:
            hint = suggestion(value, key.choices or ()) if isinstance(value, str) else ""
            return f"{source}: {key.path} = {key.shown_toml(value)}: expected {error}.{hint}"
        if isinstance(checked, dict) and name in self.values:
            checked = self.values[name] | checked
            source = f"{self.sources[name]}, {source}"
        self.values[name] = checked
        self.sources[name] = source
        return ""

    def take_all(self, source: str, table: Mapping[str, object]) -> Iterable[str]:
        """Take several values; returns what is wrong with them."""
        problems = [self.take(source, name, value) for name, value in table.items()]
        return filter(None, problems)

    @property
    def origins(self) -> str:
        """The sources that say anything here."""
        return ", ".join(dict.fromkeys(self.sources.values()))

    def _unknown(self, name: str, value: object) -> str:
        known = ", ".join(self._keys)
        hint = suggestion(name, self._keys) or homes(name) or f" Settings there: {known}."
        return f"{self.path}.{name} = {to_toml(value)}: no such setting.{hint}"


def homes(name: str) -> str:
    """Propose the sections that have a setting of this name."""
    paths = [keys[name].path for keys in KEYS.values() if name in keys]
    return f" Did you mean {' or '.join(paths)}?" if paths else ""
