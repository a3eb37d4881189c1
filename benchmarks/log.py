"""The log bench: what a message costs, a storm of them, and a journal that does not read."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure

ENTRY = "Log: an entry"
STORM = "Log: a storm of the same warning"
DEAF = "Log: the journal does not read"
ABOUT = {
    ENTRY: (
        "a decision with its fields, on the thread that sends, to a socket that is read;",
        "beside systemd-python's journal.send and sendv, where that is installed",
    ),
    STORM: ("per call on the thread that logs, and what arrives in the journal",),
    DEAF: (
        "how long a thread that only sleeps 10 ms at a time stood still at most while another",
        "one logged, for a second",
    ),
}
_PEER = "systemd-python"
_LONGEST_S = 120.0
# A /run of its own, with a program of ours as the journal: libsystemd knows only the real place.
_NAMESPACE = 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal && exec "$@"'

# Counts what arrives; asked by an entry "count", prints it. A process of its own, so that it
# reads whatever the other one does, and can be stopped.
_READER = r"""
import socket
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
print("reads", flush=True)
arrived = 0
while True:
    if journal.recv(1 << 18).startswith(b"MESSAGE=count\n"):
        print(arrived, flush=True)
        arrived = 0
    else:
        arrived += 1
"""

_WORK = r"""
import json, logging, os, signal, subprocess, sys, threading, time
from statistics import median
from pi_classifier.logs.events import Event, entry
from pi_classifier.logs.handlers import BoundedLog, JournalEntries
from pi_classifier.system.systemd import journal_sender
try:
    from systemd import journal as peer
except ImportError:
    peer = None

TIMES, CALLS = int(sys.argv[1]), int(sys.argv[2])
FIELDS = {"LABEL": "daisy", "SCORE": "0.9312", "STAGE": "0", "MODEL": "flowers-fast",
          "LATENCY_MS": "2.346", "FRAME": "12", "MESSAGE_ID": Event.DECISION.value}
TEXT = "I see a daisy (0.93)"
pairs = [f"{key}={value}" for key, value in {"MESSAGE": TEXT, **FIELDS}.items()]
found = {}
reader = subprocess.Popen([sys.executable, "-c", sys.argv[3]], stdout=subprocess.PIPE, text=True)
reader.stdout.readline()
send = journal_sender()

def arrived():
    send("count", {})
    return int(reader.stdout.readline())

def us(call):
    taken = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
        time.sleep(2e-4)  # lets the reader read
    return 1e6 * median(taken)

def stillness(call):
    # the longest time in ms that this thread stood still while another one made the calls
    ended = threading.Event()
    def flood():
        while not ended.is_set():
            call()
            time.sleep(1e-3)
    reader.send_signal(signal.SIGSTOP)
    waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {reader.pid}"])
    longest, last = 0.0, time.monotonic()
    threading.Thread(target=flood, daemon=True).start()
    while waker.poll() is None:
        time.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    longest = max(longest, time.monotonic() - last)
    ended.set()
    return 1e3 * longest

found["entry"] = us(lambda: send(TEXT, FIELDS))
if peer:
    found["send"] = us(lambda: peer.send(TEXT, **FIELDS))
    found["sendv"] = us(lambda: peer.sendv(*pairs))
log = logging.Logger("storm")
entries = BoundedLog(JournalEntries(send))
log.addHandler(entries)
arrived()
begin = time.perf_counter()
for _ in range(CALLS):
    log.warning("no sound: %s", "the card is busy", extra=entry(Event.SINK_FAILED, SINK="speech"))
found["call"] = 1e6 * (time.perf_counter() - begin) / CALLS
entries.close()
found["entries"] = arrived()
quiet = JournalEntries(send)
record = log.makeRecord("x", logging.INFO, "x", 1, TEXT, (), None)
found["still"] = stillness(lambda: quiet.emit(record))
if peer:
    found["peer_still"] = stillness(lambda: peer.sendv(*pairs))
print(json.dumps(found), flush=True)
reader.kill()
os._exit(0)
"""


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench log``."""
    parser = argparse.ArgumentParser(prog="scripts/bench log", description="Measure the log.")
    parser.add_argument("--times", type=int, default=2000, metavar="N", help="entries (2000)")
    parser.add_argument("--calls", type=int, default=100_000, metavar="N", help="storm (100000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure everything; yield the figures of each section."""
    found = _measured(arguments.times, arguments.calls)
    yield [
        Figure(ENTRY, "one entry", "beside send", "µs", found["entry"], _PEER, found.get("send")),
        Figure(
            ENTRY, "one entry", "beside sendv", "µs", found["entry"], _PEER, found.get("sendv")
        ),
    ]
    yield [
        Figure(STORM, f"{arguments.calls} calls", "per call", "µs", found["call"]),
        Figure(
            *(STORM, f"{arguments.calls} calls", "entries", "", found["entries"]),
            aim=Aim(10, "ours"),
        ),
    ]
    yield [
        Figure(
            *(DEAF, "a second of logging", "stood still", "ms", found["still"]),
            *(_PEER, found.get("peer_still")),
            aim=Aim(100, "ours"),
        )
    ]


def _measured(times: int, calls: int) -> dict[str, float]:
    unshare = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount"]
    python = [sys.executable, "-c", _WORK, str(times), str(calls), _READER]
    done = subprocess.run(
        [*unshare, "sh", "-c", _NAMESPACE, "sh", *python],
        check=False,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
    )
    if done.returncode != 0:
        raise BenchmarkError(
            "the log needs a /run of its own (root, or user namespaces): "
            f"{done.stderr.strip().splitlines()[-1:]}"
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
