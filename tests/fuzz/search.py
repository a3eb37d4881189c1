"""Searches with atheris, guided by which lines of the readers an input reaches.

    python -m tests.fuzz.search [TARGET...] [--seconds N | --runs N] [--findings FOLDER]

Each target runs in a process of its own. An error that its reader does not document is a finding:
it is kept, and the search goes on. What ends the process (a signal, or no answer within 20 s)
ends the target's search, and is kept too. `python -m tests.fuzz.search TARGET --replay FILE`
reads a finding again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TIMEOUT_S, _MEMORY_MB, _LONGEST = 20, 2000, 1 << 14


def main() -> int:
    """Search all targets that are named; 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", help="readers; all where none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, help="for each target, instead of seconds")
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    parser.add_argument("--replay", type=Path, help="a file that one target reads once")
    given = parser.parse_args()
    from tests.fuzz.targets import TARGETS

    known = {target.name: target for target in TARGETS}
    unknown = [name for name in given.targets if name not in known]
    if unknown:
        parser.error(f"{unknown[0]!r} is no target; expected {', '.join(known)}")
    if given.replay:
        taken = known[given.targets[0]].attempt(given.replay.read_bytes())
        print("read" if taken else "refused, as the reader documents")
        return 0
    limit = f"-runs={given.runs}" if given.runs else f"-max_total_time={given.seconds}"
    print(f"{'target':18} {'executions':>11} {'per second':>10}  findings", flush=True)
    found = [_searched(name, limit, given.findings / name) for name in given.targets or known]
    return min(1, sum(found))


def _searched(name: str, limit: str, findings: Path) -> int:
    """Search one target in a child; print its line; return how many findings there are."""
    findings.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, "-m", "tests.fuzz.search_child", name, str(findings), corpus]
        command += [limit, f"-timeout={_TIMEOUT_S}", f"-rss_limit_mb={_MEMORY_MB}"]
        command += [
            f"-max_len={_LONGEST}",
            f"-artifact_prefix={findings}/",
            "-print_final_stats=1",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    counted = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)\s", done.stderr, re.MULTILINE)
    executions = max((int(a or b) for a, b in counted), default=0)
    kept = [path for path in findings.iterdir() if path.suffix != ".txt"]
    seconds = max(1e-3, time.monotonic() - start)
    print(f"{name:18} {executions:11,} {executions / seconds:10,.0f}  {len(kept)}", flush=True)
    if done.returncode:
        print(f"  ended with {done.returncode}: {done.stderr[-1500:]}", flush=True)
    return len(kept) + (done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
