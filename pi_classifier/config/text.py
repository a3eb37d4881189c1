"""The configuration for people to read: the effective one, and the reference page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING

from pi_classifier.config.reading import DEFAULT, SYSTEM_FILE, USER_FILE, Configuration
from pi_classifier.config.schema import NONE, Key, to_toml
from pi_classifier.config.settings import ARRAYS, KEYS, SECTIONS, Array
from pi_classifier.printable import printable


def effective_toml(configuration: Configuration, *, secrets: bool = False) -> str:
    """Write the effective configuration as TOML, each value with its source and meaning.

    With `secrets`, reading it back as a configuration file gives the same settings;
    without, names and passwords in addresses are ``***``.
    """
    return "\n".join(_effective_lines(configuration, secrets)) + "\n"


def _effective_lines(configuration: Configuration, secrets: bool) -> Iterator[str]:
    yield "# The effective configuration of pi-classifier, with the source of each value."
    for section, keys in KEYS.items():
        values = getattr(configuration.settings, section)
        yield ""
        yield f"# {_summary(section)}"
        yield f"[{section}]"
        for key in keys.values():
            yield f"# {key.doc} ({key.allowed})"
            yield _effective_line(key, values, configuration.sources[key.path], secrets)
    for array in ARRAYS.values():
        yield from _effective_tables(array, configuration, secrets)


def _effective_tables(array: Array, configuration: Configuration, secrets: bool) -> Iterator[str]:
    """What each table says itself: all else stands in the section that they are like."""
    tables = getattr(configuration.settings, array.name)
    if tables:
        yield ""
        yield f"# {array.doc}"
    for values in tables:
        yield f"[[{array.name}]]"
        for key in array.keys.values():
            source = configuration.sources[f"{array.name}.{values.name}.{key.name}"]
            if source != f"[{array.like}]" and not (array.like and source == DEFAULT):
                yield _effective_line(key, values, source, secrets)


def _effective_line(key: Key, values: object, source: str, secrets: bool) -> str:
    value = getattr(values, key.name)
    shown = to_toml(value) if secrets else key.shown_toml(value)
    return f"{key.name} = {shown}  # {printable(source)}"


def reference_markdown() -> str:
    """Write the reference page of all settings, docs/reference/configuration.md."""
    return "\n".join(_reference_lines()) + "\n"


def _reference_lines() -> Iterator[str]:
    yield from _INTRODUCTION.splitlines()
    for section, keys in KEYS.items():
        yield ""
        yield f"## [{section}]"
        yield ""
        yield _summary(section)
        yield ""
        yield from _table_of(keys)
    for array in ARRAYS.values():
        yield ""
        yield f"## [[{array.name}]]"
        yield ""
        yield array.doc
        if array.like:
            yield f"Its settings are those of [{array.like}], which says what a table leaves out."
        else:
            yield ""
            yield from _table_of(array.keys)


def _table_of(keys: Mapping[str, Key]) -> Iterator[str]:
    yield "| setting | default | allowed | meaning |"
    yield "|---|---|---|---|"
    for key in keys.values():
        yield f"| {' | '.join(_cell(text) for text in _row(key))} |"


def _row(key: Key) -> tuple[str, str, str, str]:
    default = "none" if key.default is MISSING else f"`{to_toml(key.default)}`"
    return f"`{key.name}`", default, key.allowed, key.doc


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _summary(section: str) -> str:
    return inspect.cleandoc(SECTIONS[section].__doc__ or section).splitlines()[0]


_INTRODUCTION = f"""\
# Configuration

<!-- Written by `pi-classifier config --reference`; a test compares it. -->

Settings come from these sources; a later one wins over an earlier one:

1. the built-in defaults below;
2. `{SYSTEM_FILE}`;
3. `{USER_FILE}`;
4. the file given with `--config FILE`;
5. `--set section.key=value`, as often as needed (a TOML value; bare words are strings);
6. the command line's own options, such as `--camera` and `--model`.

`pi-classifier config` prints the effective configuration with the source of every
value; its output is itself a configuration file, but for what it hides: names and passwords
in addresses are shown with `--show-secrets` only. A mistake in any source ends the
program with exit code 78 and a message that names every wrong key at once. The
string `"{NONE}"` unsets a setting that may be unset. Tables of strings are merged entry by
entry; any other value is replaced as a whole. Paths are relative to the folder the
program is started in.

A section in two brackets, such as `[[cameras]]`, may stand any number of times, each with a
`name` of its own. A later source that has any of them replaces all that were there. One of
them is changed by its name: `--set cameras.garden.fps=5`, or in a later file `[cameras.garden]`.
"""
