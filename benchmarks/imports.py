"""Where the start goes: the time of imports, by package, from `python -X importtime`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figure
from benchmarks.programs import Program

SECTION = "Imports"

_LINE = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)
_MOST = 12


def measure(subject: str, program: Program) -> Iterator[Figure]:
    """Yield the imports up to the first label by package, the longest first.

    The time is each module's own, without what it imports in turn.
    """
    python, *arguments = program.command
    with replace(program, command=(python, "-X", "importtime", *arguments)).started():
        text = program.log.read_text("utf-8", "replace")
    packages: Counter[str] = Counter()
    for own_us, module in _LINE.findall(text):
        packages[module.partition(".")[0]] += int(own_us)
    if not packages:
        raise BenchmarkError(f"{' '.join(program.command)}: reported no imports")
    yield Figure(SECTION, subject, "all", "ms", packages.total() / 1000)
    for package, own_us in packages.most_common(_MOST):
        yield Figure(SECTION, subject, package, "ms", own_us / 1000)
