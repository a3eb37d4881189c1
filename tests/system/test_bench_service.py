"""scripts/bench service from the outside: its figures are there. No timing is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FEWEST = ("--kills", "2", "--only", "kills")


@pytest.mark.usefixtures("bookworm_root", "deb")  # made once for all, and their absence told
def test_every_figure_is_there(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "service", *FEWEST, "--json", str(report)],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    figures = {figure["name"]: figure for figure in json.loads(report.read_text())["figures"]}
    for never in (
        *("stayed away", "packed weights with a wrong checksum", "torn JSON lines"),
        *("damaged phrases", "without the lock on its state"),
    ):
        assert figures[never]["reached"], never
    assert figures["longest life"]["ours"] > 0
    assert "stayed away" in done.stdout
