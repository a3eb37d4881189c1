"""Arrays of tables, ``[[cameras]]`` say: each table is a section with a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pi_classifier.cameras.settings import NAME_EXPECTED, is_name
from pi_classifier.config.schema import to_toml
from pi_classifier.config.section import Section
from pi_classifier.config.settings import Array
from pi_classifier.suggest import suggestion


class Tables:
    """The tables of one array, gathered from one source after the other.

    A source that lists tables replaces all that were listed before it. One that addresses
    a table by its name (``[cameras.garden]``, ``--set cameras.garden.fps=5``) changes that one.
    What is wrong goes to `problems`.
    """

    def __init__(self, array: Array, problems: list[str]) -> None:
        self._array = array
        self._problems = problems
        self._tables: list[Section] = []

    def take(self, source: str, value: object) -> None:
        """Take what one source says of the array."""
        array = self._array.name
        if isinstance(value, list):
            self._tables = []
            for number, table in enumerate(value, start=1):
                self._add(source, number, table)
        elif isinstance(value, dict) and value and _are_tables(value):
            for name, changes in value.items():
                self._change(source, name, changes)
        else:
            given = f"[{array}]" if isinstance(value, dict) else f"{array} = {to_toml(value)}"
            self._problems.append(
                f"{source}: {given}: expected [[{array}]], with two brackets, before the settings "
                "of each."
            )

    def result(self, base: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, str]]:
        """The settings of all tables, and the sources of their values by full name.

        `base` is what the section says that they are like.
        """
        made: list[Any] = []
        sources: dict[str, str] = {}
        for table in self._tables:
            try:
                made.append(self._array.settings(**{**base, **table.values}))
            except ValueError as error:  # two values that do not go together
                self._problems.append(f"{table.origins}: [{table.path}] {error}.")
            for name in self._array.keys:
                inherited = f"[{self._array.like}]" if name in base else "default"
                sources[f"{table.path}.{name}"] = table.sources.get(name, inherited)
        return tuple(made), sources

    def _add(self, source: str, number: int, values: object) -> None:
        array = self._array.name
        if not isinstance(values, dict):
            self._problems.append(
                f"{source}: {array} = {to_toml(values)}: expected a table, [[{array}]]."
            )
            return
        name = values.get("name")
        problem = self._name_problem(name)
        if problem:
            self._problems.append(f"{source}: [[{array}]], number {number}: {problem}.")
            name = str(number)
        table = Section(f"{array}.{name}", self._array.keys)
        self._problems += table.take_all(source, {**values, "name": name})
        self._tables.append(table)

    def _name_problem(self, name: object) -> str:
        if name is None:
            return 'has no name; give each one of its own, such as name = "garden"'
        if not (isinstance(name, str) and is_name(name)):
            return f"name = {to_toml(name)}: expected {NAME_EXPECTED}"
        if name in self._names():
            return f"name = {to_toml(name)}: another one has this name; each needs its own"
        return ""

    def _change(self, source: str, name: str, changes: Mapping[str, object]) -> None:
        array = self._array.name
        table = next((table for table in self._tables if table.path == f"{array}.{name}"), None)
        if table is None:
            names = self._names()
            known = suggestion(name, names) or f" Names: {', '.join(names) or 'none yet'}."
            problem = f"no [[{array}]] has this name.{known}"
        elif "name" in changes:
            problem = f"its name cannot be changed; write all [[{array}]] anew."
        else:
            self._problems += table.take_all(source, changes)
            return
        self._problems.append(f"{source}: {array}.{name}: {problem}")

    def _names(self) -> list[str]:
        return [table.path.partition(".")[2] for table in self._tables]


def _are_tables(value: Mapping[str, object]) -> bool:
    return all(isinstance(table, dict) for table in value.values())
