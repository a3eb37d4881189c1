"""The camera contract as a table at the end of a run: sources down, properties across."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

_CASE = re.compile(r"test_camera_contract\.py::test_(\w+)\[(.+)\]$")
_SIGNS = {"passed": "yes", "failed": "NO", "skipped": "skipped", "error": "ERROR"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if the suite was part of the run."""
    cells = dict(_cells(terminalreporter))
    if not cells:
        return
    properties = list(dict.fromkeys(name for name, _ in cells))
    sources = list(dict.fromkeys(source for _, source in cells))
    write = terminalreporter.write_line
    terminalreporter.section("camera contract")
    for number, name in enumerate(properties, start=1):
        write(f"{number:3}  {name.replace('_', ' ')}")
    width = max(len(source) for source in sources)
    write(" " * width + "".join(f"{number:>8}" for number in range(1, len(properties) + 1)))
    for source in sources:
        row = (cells.get((name, source), "-") for name in properties)
        write(source.ljust(width) + "".join(f"{cell:>8}" for cell in row))
    write("- : says nothing of a source that never shows the same twice")


def _cells(reporter: pytest.TerminalReporter) -> Iterator[tuple[tuple[str, str], str]]:
    for outcome, sign in _SIGNS.items():
        for report in reporter.stats.get(outcome, ()):
            found = _CASE.search(report.nodeid)
            if found is not None and (report.when == "call" or outcome != "passed"):
                yield (found[1], found[2]), sign
