"""Killed again and again at random moments: it comes back by itself, and nothing is torn."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from pi_classifier.errors import SinkError
from pi_classifier.speech.wavfile import check_speech
from pi_classifier.system.files import PARTIAL_PREFIX
from tests.system.installed import UNIT, Service, configuration

SECTION = "Service: killed at random moments"
ABOUT = (
    "SIGKILL of one of its processes, mostly the main one, at any moment of one and a half times",
    "its start, frames as fast as they come, phrases being made; start limits off, 20 ms between",
    "restarts; a file of its caches is removed each time; after every 25 it must get READY and is",
    "looked through",
)
NEVER = Aim(0, "ours")

_LIFE_IN_STARTS = 1.5
_OF_A_VOICE = 0.5  # share of kills that hit a voice instead, where there is one
_BACK_LIMIT_S = 30.0
_POLL_S = 0.002
_LOOK_EVERY = 25
_DROP_IN = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=20ms\n"
_STATE = "/var/lib/pi-classifier"
_CACHE = "/var/cache/pi-classifier"
_CONFIGURATION = configuration(
    camera={"realtime": False},
    decision={"patience": 1, "refractory_s": 0.0},
    jsonl={"path": "decisions.jsonl"},
    speech={"enabled": True, "output": "wav:/dev/null", "cache_max_mb": 1},
)


def measure(service: Service, kills: int, seed: int) -> Iterator[Figure]:
    """Kill it so many times; yields what was counted. Raises BenchmarkError when it stays away."""
    random_ = random.Random(seed)
    service.start(_CONFIGURATION, _DROP_IN)
    longest_life_s = _LIFE_IN_STARTS * service.start_s()
    back_s, voices, starts = [], 0, 0
    torn: dict[str, int] = {}
    for number in range(1, kills + 1):
        main = _await_main(service, unlike=0)
        time.sleep(random_.uniform(0, longest_life_s))
        others = [pid for pid in service.pids_now() if pid != main]
        if others and random_.random() < _OF_A_VOICE:
            voices += _killed(random_.choice(others))
        elif _killed(main):
            killed_s = time.monotonic()
            _await_main(service, unlike=main)
            back_s.append(time.monotonic() - killed_s)
        _lose_something(service, random_)
        if number % _LOOK_EVERY == 0 or number == kills:
            starts += 1
            service.wait_for_state("active", _BACK_LIMIT_S)
            for what, count in _torn(service).items():
                torn[what] = torn.get(what, 0) + count
    subject = f"{kills} kills"
    yield Figure(SECTION, subject, "longest life", "s", longest_life_s)
    yield Figure(SECTION, subject, "of a voice", "kills", voices)
    yield Figure(SECTION, subject, "stayed away", "kills", 0, aim=NEVER)
    yield Figure(SECTION, subject, "looked through, READY each time", "times", starts)
    yield Figure(SECTION, subject, "longest until its next process", "s", max(back_s, default=0.0))
    for what, count in torn.items():
        yield Figure(SECTION, subject, what, "files", count, aim=NEVER)
    lines = service.box.path(f"{_STATE}/decisions.jsonl").read_bytes().count(b"\n")
    yield Figure(SECTION, subject, "decisions in the last file", "lines", lines)


def _lose_something(service: Service, random_: random.Random) -> None:
    """Remove a file it can make again, so that kills also come while it does."""
    cache = service.box.path(_CACHE)
    files = [*cache.glob("*.weights"), *cache.rglob("*.wav")]
    if files:
        random_.choice(files).unlink(missing_ok=True)


def _await_main(service: Service, unlike: int) -> int:
    """The number of its main process, once there is one that is not `unlike`."""
    deadline_s = time.monotonic() + _BACK_LIMIT_S
    while time.monotonic() < deadline_s:
        for pid in service.pids_now():
            if pid != unlike and _is_main(pid):
                return pid
        time.sleep(_POLL_S)
    raise BenchmarkError(
        f"it did not come back within {_BACK_LIMIT_S:g} s: "
        + service.box.systemctl("status", UNIT, check=False)
    )


def _is_main(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"run" in words


def _killed(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _torn(service: Service) -> dict[str, int]:
    """What is not whole, by kind; the service may be writing meanwhile."""
    path = service.box.path
    return {
        "packed weights with a wrong checksum": sum(
            not _matches(weights) for weights in _finished(path(_CACHE), "*.weights")
        ),
        "torn JSON lines": sum(_torn_lines(file) for file in path(_STATE).glob("*.jsonl*")),
        "damaged phrases": sum(not _sounds(wav) for wav in _finished(path(_CACHE), "*.wav")),
        "without the lock on its state": int(not _is_locked(service)),
    }


def _finished(folder: Path, pattern: str) -> Iterator[Path]:
    """Files under their own names: what was killed while it was written has none yet."""
    for file in folder.rglob(pattern):
        if not file.name.startswith(PARTIAL_PREFIX):
            yield file


def _matches(weights: Path) -> bool:
    try:
        known = weights.with_name(f"{weights.name}.sha256").read_text().strip()
        return hashlib.sha256(weights.name.encode() + weights.read_bytes()).hexdigest() == known
    except FileNotFoundError:  # being replaced
        return True


def _torn_lines(file: Path) -> int:
    try:
        *whole, last = file.read_bytes().split(b"\n")
    except FileNotFoundError:  # renamed meanwhile
        return 0
    torn = int(last != b"")
    for line in whole:
        try:
            json.loads(line)
        except ValueError:
            torn += 1
    return torn


def _sounds(wav: Path) -> bool:
    try:
        check_speech(wav)
    except SinkError:
        return not wav.exists()
    return True


def _is_locked(service: Service) -> bool:
    """Whether another copy is kept out of the state folder."""
    done = service.box.run(
        *("runuser", "-u", "pi-classifier", "--", "env", f"STATE_DIRECTORY={_STATE}"),
        *("pi-classifier", "run", "--camera", "emulated", "--frames", "1", "--no-speech"),
        check=False,
    )
    return done.returncode != 0 and "in use by another copy" in done.stdout
