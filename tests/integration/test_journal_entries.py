"""The real systemd-python against a journal's socket, in a mount namespace of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, socket
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
journal.settimeout(10)
import logging
logging.getLogger().setLevel(logging.INFO)
from pi_classifier.sinks.log import LogSettings, LogSink
from pi_classifier.types import Decision
sink = LogSink(LogSettings(destination="journal"), model_sha256={"fast": "ab12"})
sink.emit(Decision("daisy", 0.93127, 12, 400, 1, "fast", latency_ns=2345678))
sink.close()
print(json.dumps(journal.recv(65536).decode()))
"""


@pytest.fixture
def private_run() -> list[str]:
    """How to run a command with a /run of its own, as root or in a user namespace."""
    if importlib.util.find_spec("systemd") is None:
        pytest.skip("SKIPPED: systemd-python is not installed (extra: journal)")
    for unshare in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        argv = [*unshare, "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
        if subprocess.run([*argv, "true"], capture_output=True, check=False).returncode == 0:
            return argv
    pytest.skip("SKIPPED: no private mount namespace here (neither root nor user namespaces)")


def test_a_decision_becomes_an_entry_with_fields(private_run: list[str]) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [*private_run, sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    entry = dict(
        line.split("=", 1) for line in json.loads(done.stdout).splitlines() if "=" in line
    )
    expected = {
        "MESSAGE": "I see a daisy (0.93)",
        "LABEL": "daisy",
        "SCORE": "0.9313",
        "STAGE": "1",
        "MODEL": "fast",
        "MODEL_SHA256": "ab12",
        "LATENCY_MS": "2.346",
        "FRAME": "12",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "pi-classifier",
    }
    assert {key: entry.get(key) for key in expected} == expected
