"""The configuration: from defaults, files and the command line to frozen settings.

Every section is the settings dataclass of the part it configures; nothing about a
key is written here. Later sources win: built-in defaults, /etc, the user's file,
`--config FILE`, `--set section.key=value`, the command line's shorthands. Tables of
strings (phrases per label, say) are merged entry by entry, all else is replaced.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier.config.schema import Key, to_toml
from pi_classifier.config.settings import KEYS, SECTIONS, Settings
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
    """The effective settings, and for each `section.key` where its value came from."""

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
        self._values: dict[str, dict[str, Any]] = {section: {} for section in KEYS}
        self._sources: dict[str, str] = {}
        self._problems: list[str] = []

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
        if not equals or not 1 <= len(names) <= 2 or not all((section, *names)):
            shown = masked_address(text) if "://" in text else text
            self._problems.append(
                f"--set {shown}: expected section.key=value, such as decision.patience=5."
            )
            return
        key = KEYS.get(section, {}).get(names[0])
        value: Any = _value(raw.strip(), text_wanted=len(names) == 2 or _is_text(key))
        for name in reversed(names):
            value = {name: value}
        self.layer(Layer("--set", {section: value}))

    def layer(self, layer: Layer) -> None:
        for section, table in layer.values.items():
            if section not in KEYS:
                self._problems.append(f"{layer.source}: {_unknown_section(section, table)}")
            elif not isinstance(table, dict):
                given = f"{section} = {to_toml(table)}"
                self._problems.append(f"{layer.source}: {given}: expected a section, [{section}].")
            else:
                for name, value in table.items():
                    self._take(layer.source, section, name, value)

    def _take(self, source: str, section: str, name: str, value: object) -> None:
        key = KEYS[section].get(name)
        if key is None:
            self._problems.append(f"{source}: {_unknown_key(section, name, value)}")
            return
        try:
            checked = key.check(value)
        except ValueError as error:
            hint = suggestion(value, key.choices or ()) if isinstance(value, str) else ""
            self._problems.append(
                f"{source}: {key.path} = {key.shown_toml(value)}: expected {error}.{hint}"
            )
            return
        section_values = self._values[section]
        if isinstance(checked, dict) and name in section_values:
            checked = section_values[name] | checked
            source = f"{self._sources[key.path]}, {source}"
        section_values[name] = checked
        self._sources[key.path] = source

    def result(self) -> Configuration:
        made: dict[str, Any] = {}
        for section, settings in SECTIONS.items():
            try:
                made[section] = settings(**self._values[section])
            except ValueError as error:  # two values that do not go together
                places = {
                    self._sources[f"{section}.{name}"]: None for name in self._values[section]
                }
                self._problems.append(f"{', '.join(places)}: [{section}] {error}.")
        if self._problems:
            # A wrong name may stand before an address, too.
            raise ConfigError(masked(_report(self._problems)))
        everything = [key.path for keys in KEYS.values() for key in keys.values()]
        return Configuration(
            Settings(**made), {path: self._sources.get(path, DEFAULT) for path in everything}
        )


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
    if isinstance(table, dict):
        known = ", ".join(f"[{name}]" for name in KEYS)
        hint = suggestion(section, KEYS) or f" Sections: {known}."
        return f"[{section}]: no such section.{hint}"
    return f"{section} = {to_toml(table)}: a setting must stand in a section.{_homes(section)}"


def _unknown_key(section: str, name: str, value: object) -> str:
    known = ", ".join(KEYS[section])
    hint = suggestion(name, KEYS[section]) or _homes(name) or f" Settings there: {known}."
    return f"{section}.{name} = {to_toml(value)}: no such setting.{hint}"


def _homes(name: str) -> str:
    """Propose the sections that have a setting of this name."""
    homes = [keys[name].path for keys in KEYS.values() if name in keys]
    return f" Did you mean {' or '.join(homes)}?" if homes else ""
