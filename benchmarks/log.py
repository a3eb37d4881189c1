"""The log bench: what a message costs, a storm of them, and nobody who reads them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure

ENTRY = "Log: an entry"
CALL = "Log: a call"
STORM = "Log: a storm of the same warning"
DEAF = "Log: the journal does not read"
UNREAD = "Log: nobody reads stderr"
ABOUT = {
    ENTRY: (
        "a decision with its fields, on the thread that sends, to a socket that is read;",
        "beside systemd-python's journal.send and sendv, where that is installed",
    ),
    CALL: ("a frame's line at debug, on the thread that logs: formatted and queued",),
    STORM: ("per call on the thread that logs, and what arrives in the journal",),
    DEAF: (
        "how long a thread that only sleeps 10 ms at a time stood still at most while another",
        "one logged, for a second; systemd-python keeps the interpreter's lock while it waits",
    ),
    UNREAD: (
        "from a frame to the request for the next, at --log-level debug, without the drawing;",
        "beside the same run with a stderr that is read, in turns",
    ),
}
_PEER = "systemd-python"
_LONGEST_S = 120.0
_RUN_LONGEST_S = 600.0
# A /run of its own, with a program of ours as the journal: libsystemd knows only the real place.
# systemd lets queues of sockets grow to 512; that may be set only by root.
_NAMESPACE = (
    "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && "
    '{ echo 512 > /proc/sys/net/unix/max_dgram_qlen; } 2>/dev/null; exec "$@"'
)

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
from pi_classifier.errors import SinkError
from pi_classifier.logs.events import Event, entry
from pi_classifier.logs.handlers import LogHandler
from pi_classifier.system import systemd
try:
    from systemd import journal as peer
except ImportError:
    peer = None

TIMES, CALLS = int(sys.argv[1]), int(sys.argv[2])
FIELDS = {"LABEL": "daisy", "SCORE": "0.9312", "STAGE": "0", "MODEL": "flowers-fast",
          "LATENCY_MS": "2.346", "FRAME": "12", "MESSAGE_ID": Event.DECISION.value}
LONG = FIELDS | {"LABEL": "x" * 20_000}
TEXT = "I see a daisy (0.93)"
results = {}
reader = subprocess.Popen([sys.executable, "-c", sys.argv[3]], stdout=subprocess.PIPE, text=True)
reader.stdout.readline()
guarded = systemd.journal_sender()
systemd._systemd_python = lambda: None
datagrams = systemd.journal_sender()

def pairs(fields):
    return [f"{key}={value}" for key, value in {"MESSAGE": TEXT, **fields}.items()]

def arrived():
    datagrams("count", {})
    return int(reader.stdout.readline())

def us(call):
    taken = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
        time.sleep(2e-4)  # lets the reader read
    return 1e6 * median(taken)

def stood_still(call):
    # the longest time in ms that this thread stood still while another one made the calls
    ended = threading.Event()
    def flood():
        while not ended.is_set():
            try:
                call()
            except SinkError:
                pass
            time.sleep(1e-3)
    thread = threading.Thread(target=flood)
    reader.send_signal(signal.SIGSTOP)
    waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {reader.pid}"])
    longest, last = 0.0, time.monotonic()
    thread.start()
    while waker.poll() is None:
        time.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    longest = max(longest, time.monotonic() - last)
    ended.set()
    thread.join()
    arrived()
    return 1e3 * longest

def typical(call):
    return median(stood_still(call) for _ in range(5))

results["guarded"] = us(lambda: guarded(TEXT, FIELDS))
results["datagrams"] = us(lambda: datagrams(TEXT, FIELDS))
if peer:
    results["send"] = us(lambda: peer.send(TEXT, **FIELDS))
    results["sendv"] = us(lambda: peer.sendv(*pairs(FIELDS)))
log = logging.Logger("frames")
lines = LogHandler(lambda entry: None)
log.addHandler(lines)
results["line"] = us(lambda: log.debug("frame %d: %s %.2f by stage %d", 12, "daisy", 0.93, 1))
lines.close()
log = logging.Logger("storm")
entries = LogHandler(lambda entry: guarded(*entry))
log.addHandler(entries)
arrived()
begin = time.perf_counter()
for _ in range(CALLS):
    log.warning("no sound: %s", "the card is busy", extra=entry(Event.SINK_FAILED, SINK="speech"))
results["call"] = 1e6 * (time.perf_counter() - begin) / CALLS
entries.close()
results["entries"] = arrived()
for name, send in (("guarded", guarded), ("datagrams", datagrams)):
    for length, fields in (("short", FIELDS), ("long", LONG)):
        results[f"{name} {length}"] = typical(lambda: send(TEXT, fields))
if peer:
    for length, fields in (("short", FIELDS), ("long", LONG)):
        results[f"peer {length}"] = stood_still(lambda: peer.sendv(*pairs(fields)))
print(json.dumps(results), flush=True)
reader.kill()
os._exit(0)
"""

# Prints how long each frame took, in ns.
_FRAMES = r"""
import json, sys, time
from pi_classifier import cli
from pi_classifier.cameras.playback import PlayedCamera

taken = []

def timed(self, frames=PlayedCamera.frames):
    for frame in frames(self):
        begin = time.perf_counter_ns()
        yield frame
        taken.append(time.perf_counter_ns() - begin)

PlayedCamera.frames = timed
words = "run --camera emulated --fast --debug --no-speech --set stdout.enabled=false"
small = ["--set", "camera.width=224", "--set", "camera.height=224"]  # soon drawn
code = cli.main([*words.split(), *small, "--frames", sys.argv[1]])
print(json.dumps(taken))
sys.exit(code)
"""


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench log``."""
    parser = argparse.ArgumentParser(prog="scripts/bench log", description="Measure the log.")
    parser.add_argument("--times", type=int, default=2000, metavar="N", help="entries (2000)")
    parser.add_argument("--calls", type=int, default=100_000, metavar="N", help="storm (100000)")
    parser.add_argument(
        "--frames", type=int, default=2000, metavar="N", help="frames with stderr unread (2000)"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="such runs (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure everything; yield the figures of each section."""
    results = _measured(arguments.times, arguments.calls)
    yield [
        Figure(ENTRY, subject, f"beside {way}", "µs", results[key], _PEER, results.get(way))
        for key, subject in (("guarded", "by systemd-python"), ("datagrams", "our datagrams"))
        for way in ("send", "sendv")
    ]
    yield [Figure(CALL, "a frame's line", "per call", "µs", results["line"])]
    storm = f"{arguments.calls} calls"
    yield [
        Figure(STORM, storm, "per call", "µs", results["call"]),
        Figure(STORM, storm, "entries", "", results["entries"], aim=Aim(10, "ours")),
    ]
    yield [
        Figure(
            *(DEAF, subject, f"{length} entries", "ms", results[f"{key} {length}"]),
            *(_PEER, results.get(f"peer {length}")),
            aim=Aim(20, "ours"),
        )
        for key, subject in (("guarded", "by systemd-python"), ("datagrams", "our datagrams"))
        for length in ("short", "long")
    ]
    yield list(_unread_figures(arguments.frames, arguments.rounds))


def _unread_figures(frames: int, rounds: int) -> Iterator[Figure]:
    read, unread = [], []
    for _ in range(rounds):
        read.append(_frame_times(frames, is_read=True))
        unread.append(_frame_times(frames, is_read=False))
    for share, name in ((50, "median"), (99, "p99")):
        ours, peers = (
            1e-6 * median(_percentile(times, share) for times in runs) for runs in (unread, read)
        )
        aim = Aim(1.1, "ratio") if share == 99 else None
        yield Figure(UNREAD, f"{frames} frames", name, "ms", ours, "read", peers, aim=aim)


def _percentile(times: list[int], share: int) -> int:
    return sorted(times)[len(times) * share // 100]


def _frame_times(frames: int, *, is_read: bool) -> list[int]:
    """How long each frame took in one run, in ns."""
    reading, writing = os.pipe()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", _FRAMES, str(frames)], stdout=subprocess.PIPE, stderr=writing
        ) as program:
            reader = (
                subprocess.Popen(["cat"], stdin=reading, stdout=subprocess.DEVNULL)
                if is_read
                else None
            )
            os.close(writing)
            out, _ = program.communicate(timeout=_RUN_LONGEST_S)
            if reader is not None:
                reader.wait()
            if program.returncode != 0:
                raise BenchmarkError(f"the run ended with {program.returncode}")
    finally:
        os.close(reading)
    times: list[int] = json.loads(out)
    return times


def _measured(times: int, calls: int) -> dict[str, float]:
    unshare = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--net"]
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
