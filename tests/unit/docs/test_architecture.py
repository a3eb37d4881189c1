"""The page that says how it is built is true: loop, rooms, threads and processes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_classifier import pipeline

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGES = {
    "The rooms of the device": ROOT / "pi_classifier",
    "The rooms of the bench": ROOT / "training" / "pi_classifier_training",
}
# What begins a thread or a process, by the last part of the name it is called by.
_STARTERS = {
    *("Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process", "Pool"),
    *("Popen", "ThreadingHTTPServer", "fork"),
}
_CODE = re.compile(r"`([^`]+)`")


def section(title: str) -> str:
    """The text below a heading, up to the next."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[1:]]


def test_the_loop_shown_is_the_program_s() -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", section("The loop"), re.DOTALL)
    assert shown.splitlines()[0].startswith("for frame in ")
    assert textwrap.indent(shown, "    ") in inspect.getsource(pipeline.decisions)


def layers(package: str) -> list[set[str]]:
    """The rooms from the top down, as the import rules have them; equals are one set."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (rule,) = [each for each in rules["contracts"] if each.get("containers") == [package]]
    return [set(re.split(r" [|:] ", layer)) - {"__main__"} for layer in rule["layers"]]


@pytest.mark.parametrize("title", PACKAGES)
def test_the_map_has_every_room_in_the_order_of_the_import_rules(title: str) -> None:
    package = PACKAGES[title]
    rooms = [_CODE.findall(cells[0])[0] for cells in rows(title)]
    kept = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    loose = {path.stem for path in package.glob("*.py") if not path.name.startswith("__")}
    assert sorted(rooms) == sorted(kept | loose)
    rest = rooms
    for layer in filter(None, layers(package.name)):
        assert set(rest[: len(layer)]) == layer
        rest = rest[len(layer) :]


def starts(path: Path) -> Iterator[ast.Call]:
    """Calls in a file that begin a thread or a process."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in _STARTERS or called == "subprocess.run":
                yield node


def starting_modules() -> dict[str, set[str]]:
    """Modules that begin threads or processes, each with the names it gives to threads."""
    modules = {}
    for package in PACKAGES.values():
        for path in package.rglob("*.py"):
            calls = list(starts(path))
            if calls or "(ThreadingHTTPServer)" in path.read_text("utf-8"):
                given = [key.value for call in calls for key in call.keywords if key.arg == "name"]
                modules[path.relative_to(package).as_posix()] = {
                    value.value
                    for value in given
                    if isinstance(value, ast.Constant) and isinstance(value.value, str)
                }
    return modules


def test_every_thread_and_process_is_in_the_table_and_no_other() -> None:
    table = {
        module: cells[0]
        for cells in rows("Threads and processes")
        for module in _CODE.findall(cells[1])
    }
    modules = starting_modules()
    assert table.keys() == modules.keys()
    for module, names in modules.items():
        assert names <= set(_CODE.findall(table[module])), module


def test_threads_are_found() -> None:
    assert starting_modules()["service/signals.py"] == {"signals"}
