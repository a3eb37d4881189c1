"""The configuration: from defaults, files and the command line to frozen settings.

Every section is the settings dataclass of the part it configures; nothing about a
key is written here. Later sources win: built-in defaults, /etc, the user's file,
`--config FILE`, `--set section.key=value`, the command line's shorthands. Tables of
strings (phrases per label, say) are merged entry by entry, all else is replaced. Arrays of
tables are read by `config.tables`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier.config.schema import Key, to_toml
from pi_classifier.config.section import Section, homes
from pi_classifier.config.settings import ARRAYS, KEYS, SECTIONS, Settings
from pi_classifier.config.tables import Tables
from pi_classifier.errors import ConfigError, is_the_machines
from pi_classifier.masking import masked, masked_address
from pi_classifier.printable import printable
from pi_classifier.suggest import suggestion
from pi_classifier.system.files import read_regular_file

SYSTEM_FILE = Path("/etc/pi-classifier/config.toml")
USER_FILE = Path("~/.config/pi-classifier/config.toml")
DEFAULT = "default"
# Larger ones are no configuration; a thousand phrases take 50 kB.
_LARGEST_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Configuration:
    """The effective settings, and for each `section.key` where its value came from.

    Those of a table in an array are called `array.name.key`.
    """

    settings: Settings
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says: sections of raw TOML values."""

    source: str
    values: Mapping[str, Any]


def read_configuration(
    file: Path | None = None,
    assignments: Sequence[str] = (),
    shorthands: Iterable[Layer] = (),
    *,
    system_file: Path = SYSTEM_FILE,
    user_file: Path = USER_FILE,
) -> Configuration:
    """Read and check every source; `assignments` are the arguments of `--set`.

    Raises ConfigError naming everything that is wrong, in all sources, at once.
    """
    reading = _Reading()
    reading.file(system_file, may_miss=(FileNotFoundError, NotADirectoryError))
    # a hardened service may not even look into home folders
    reading.file(user_file, may_miss=(FileNotFoundError, NotADirectoryError, PermissionError))
    if file is not None:
        reading.file(file, may_miss=())
    for assignment in assignments:
        reading.assignment(assignment)
    for layer in shorthands:
        reading.layer(layer)
    return reading.result()


class _Reading:
    """Values and problems gathered from one source after the other."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._sections = {name: Section(name, keys) for name, keys in KEYS.items()}
        self._arrays = {name: Tables(array, self._problems) for name, array in ARRAYS.items()}

    def file(self, path: Path, *, may_miss: tuple[type[OSError], ...]) -> None:
        try:
            text = read_regular_file(path.expanduser(), _LARGEST_FILE_BYTES).decode("utf-8-sig")
            values = tomllib.loads(text)
        except may_miss:
            return
        except RecursionError:
            self._problems.append(f"{path}: its tables are nested too deep; expected [section]s.")
        except RuntimeError:  # no home folder to be found: no user's file
            return
        except OSError as error:
            if is_the_machines(error):
                raise
            self._problems.append(f"{path}: cannot be read: {error.strerror}.")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self._problems.append(f"{path}:{line}: not UTF-8 text; save the file as UTF-8.")
        except tomllib.TOMLDecodeError as error:
            self._problems.append(_syntax_problem(path, error, text))
        except ValueError as error:  # what tomllib passes on from Python's own number reading
            self._problems.append(f"{path}: a number in it cannot be read: {error}.")
        else:
            self.layer(Layer(str(path), values))

    def assignment(self, text: str) -> None:
        path, equals, raw = text.partition("=")
        section, *names = path.strip().split(".")
        array = ARRAYS.get(section)
        # array=[…], array.table.key=value, array.table.key.entry=value
        expected = (1, 2) if array is None else (0, 2, 3)
        if not equals or len(names) not in expected or not all((section, *names)):
            shown = masked_address(text) if "://" in text else text
            self._problems.append(
                f"--set {shown}: expected section.key=value, such as decision.patience=5."
            )
            return
        keys = KEYS.get(section, {}) if array is None else array.keys
        in_section = names if array is None else names[1:]
        key = keys.get(in_section[0]) if in_section else None
        value: Any = _value(raw.strip(), text_wanted=len(in_section) == 2 or _is_text(key))
        for name in reversed(names):
            value = {name: value}
        self.layer(Layer("--set", {section: value}))

    def layer(self, layer: Layer) -> None:
        for section, table in layer.values.items():
            if section in self._arrays:
                self._arrays[section].take(layer.source, table)
            elif section not in KEYS:
                self._problems.append(f"{layer.source}: {_unknown_section(section, table)}")
            elif not isinstance(table, dict):
                given = f"{section} = {to_toml(table)}: expected a section, [{section}]."
                hint = suggestion(section, ARRAYS) if isinstance(table, list) else ""
                self._problems.append(f"{layer.source}: {given}{hint}")
            else:
                self._problems += self._sections[section].take_all(layer.source, table)

    def result(self) -> Configuration:
        made: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for name, settings in SECTIONS.items():
            section = self._sections[name]
            try:
                made[name] = settings(**section.values)
            except ValueError as error:  # two values that do not go together
                self._problems.append(f"{section.origins}: [{name}] {error}.")
            for key in KEYS[name].values():
                sources[key.path] = section.sources.get(key.name, DEFAULT)
        for name, tables in self._arrays.items():
            like = ARRAYS[name].like
            if not like or like in made:  # else the same would be said of each table
                base = self._sections[like].values if like else {}
                made[name], of_tables = tables.result(base)
                sources |= of_tables
        if self._problems:
            # A wrong name may stand before an address, too.
            raise ConfigError(masked(_report(self._problems)))
        return Configuration(Settings(**made), sources)


def _report(problems: Sequence[str]) -> str:
    problems = [printable(problem) for problem in problems]
    if len(problems) == 1:
        return problems[0]
    return "\n  ".join([f"{len(problems)} errors in the configuration:", *problems])


def _syntax_problem(path: Path, error: tomllib.TOMLDecodeError, text: str) -> str:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
    what = str(error) if place is None else str(error)[: place.start()]
    line = place[1] if place is not None and place[1] else str(text.count("\n") + 1)
    return f"{path}:{line}: not valid TOML: {what}."


def _is_text(key: Key | None) -> bool:
    return key is not None and key.base is str


def _value(raw: str, *, text_wanted: bool) -> Any:
    """Read the right side of an assignment: a TOML value, or a bare word as a string."""
    try:
        table = tomllib.loads(f"value = {raw}")
    except (ValueError, RecursionError):
        return raw
    if set(table) != {"value"} or (text_wanted and not isinstance(table["value"], str)):
        return raw
    return table["value"]


def _unknown_section(section: str, table: object) -> str:
    if isinstance(table, dict | list):
        known = [*(f"[{name}]" for name in KEYS), *(f"[[{name}]]" for name in ARRAYS)]
        hint = suggestion(section, [*KEYS, *ARRAYS]) or f" Sections: {', '.join(known)}."
        return f"[{section}]: no such section.{hint}"
    return f"{section} = {to_toml(table)}: a setting must stand in a section.{homes(section)}"
