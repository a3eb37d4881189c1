"""A command that is killed at a moment of the test's choice."""

from __future__ import annotations

import signal
import subprocess
import sys

# Kills the process, as the operating system would, when something is done for the n-th time:
# a photo opened by the thread that computes bottlenecks, or a file renamed to its final name.
KILLED = """
import os, signal, sys, threading
event, name, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
def ahead():
    return "Pool" in threading.current_thread().name
def watch(what, arguments):
    global left
    if what != event or not arguments:
        return
    path = str(arguments[1] if what == "os.rename" else arguments[0])
    if not path.endswith(name) or what != "os.rename" and not ahead():
        return
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from pi_classifier_training.cli import main
sys.exit(main(sys.argv[4:]))
"""


def killed(event: str, name: str, count: int, arguments: list[str]) -> None:
    """Run the command until the moment it is killed at."""
    process = [sys.executable, "-c", KILLED, event, name, str(count), *arguments]
    assert subprocess.run(process, check=False, capture_output=True).returncode == -signal.SIGKILL
