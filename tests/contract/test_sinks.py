"""What holds for every sink, healthy or hung."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pi_classifier.logs.handlers import setup_logging
from pi_classifier.sinks.jsonl import JsonlSettings, JsonlSink
from pi_classifier.sinks.log import LogSettings, LogSink
from pi_classifier.sinks.speech import SpeechSink
from pi_classifier.sinks.stdout import StdoutSettings, StdoutSink
from pi_classifier.speech.child_process import Ended
from pi_classifier.speech.engines.base import Command, Voice
from pi_classifier.speech.player import PlayerOutput
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker
from pi_classifier.speech.synthesis import Synthesizer
from pi_classifier.speech.wavfile import header
from pi_classifier.types import Decision, Sink

LONG_S = 10.0
EMIT_S = 0.002  # on average; a few microseconds, with room for a busy machine
CLOSE_S = 1.0


@dataclass
class Rig:
    """A sink on a backend that works or hangs; `delivered` tells what came through."""

    sink: Sink
    delivered: Callable[[], list[str]]
    free: Callable[[], None] = lambda: None
    clean: list[Callable[[], None]] = field(default_factory=list)


class Pipe:
    """A pipe, full when nobody is to read it, and its reader."""

    def __init__(self, *, full: bool) -> None:
        self.reading, self.writing = os.pipe()
        self._open = [self.reading, self.writing]
        if full:
            os.set_blocking(self.writing, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(self.writing, bytes(4096))
            os.set_blocking(self.writing, True)

    def lines(self) -> list[str]:
        return os.read(self.reading, 100_000).decode().splitlines()

    def close_reader(self) -> None:
        os.close(self._open.pop(0))

    def close(self) -> None:
        for fd in self._open:
            os.close(fd)


def stdout_rig(tmp_path: Path, *, hung: bool) -> Rig:
    pipe = Pipe(full=hung)
    sink = StdoutSink(StdoutSettings(), fd=pipe.writing)
    return Rig(sink, pipe.lines, pipe.close_reader, [pipe.close])


def log_rig(tmp_path: Path, *, hung: bool) -> Rig:
    """The program's log as it is: handler, queue, and a pipe as its stderr."""
    pipe = Pipe(full=hung)
    setup_logging(stderr_fd=pipe.writing)

    def labels() -> list[str]:
        return [line.split()[5] for line in pipe.lines()]  # 12:00:00 INFO I see a LABEL

    return Rig(LogSink(LogSettings()), labels, pipe.close_reader, [pipe.close])


def jsonl_rig(tmp_path: Path, *, hung: bool) -> Rig:
    path = tmp_path / "decisions.jsonl"
    readers = []
    if hung:
        os.mkfifo(path)  # opening it blocks until there is a reader

    def free() -> None:
        readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))

    def clean() -> None:
        for fd in readers:
            os.close(fd)

    return Rig(
        JsonlSink(JsonlSettings(path=str(path))),
        lambda: [json.loads(line)["label"] for line in path.read_text().splitlines()],
        free if hung else lambda: None,
        [clean],
    )


class ScriptEngine:
    """A script in the place of an engine."""

    name = "script"
    gain = 1.0
    key = "script"

    def __init__(self, script: Path) -> None:
        self._script = script

    def command(self, text: str, wav: Path) -> Command:
        return Command(("/bin/sh", str(self._script), str(wav)), text.encode())

    def explain(self, ended: Ended) -> str:
        return ended.last_words

    def voices(self) -> list[Voice]:
        return []


def speech_rig(tmp_path: Path, *, hung: bool) -> Rig:
    speech = tmp_path / "speech"
    speech.write_bytes(header(1, 2, 8000, 8000) + b"\x00\x40" * 4000)
    script = tmp_path / "synthesize"
    script.write_text(f'cat > {tmp_path}/text; cp {speech} "$1"\n')
    player = tmp_path / "aplay"
    do = "exec sleep 60" if hung else f'sed "s/.* //" {tmp_path}/text >> {tmp_path}/said'
    player.write_text(f"#!/bin/sh\n{do}\n")
    player.chmod(0o755)
    output = PlayerOutput("aplay")
    output._argv[0] = str(player)
    settings = SpeechSettings(interrupt=False, cache_dir=str(tmp_path / "cache"))
    synthesizer = Synthesizer(tmp_path / "cache", ScriptEngine(script))
    return Rig(
        SpeechSink(settings, speaker=Speaker(settings, synthesizer=synthesizer, output=output)),
        lambda: (tmp_path / "said").read_text().split(),
    )


RIGS = {"stdout": stdout_rig, "log": log_rig, "jsonl": jsonl_rig, "speech": speech_rig}


@pytest.fixture(params=RIGS)
def healthy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    yield from _built(request.param, tmp_path, hung=False)


@pytest.fixture(params=RIGS)
def hung(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    yield from _built(request.param, tmp_path, hung=True)


def _built(name: str, tmp_path: Path, *, hung: bool) -> Iterator[Rig]:
    rig = RIGS[name](tmp_path, hung=hung)
    yield rig
    rig.free()
    rig.sink.close()
    for clean in rig.clean:
        clean()


def decision(label: str | None, sequence: int = 0, score: float = 0.9) -> Decision:
    return Decision(label, score, sequence, sequence, 0, "fast")


def children() -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = stat.read_text().rsplit(")", 1)
            if rest.split()[1] == str(os.getpid()):
                found.append(name)
    return found


def test_close_flushes(healthy: Rig) -> None:
    healthy.sink.emit(decision("daisy"))
    healthy.sink.close()
    assert healthy.delivered() == ["daisy"]


def test_close_may_be_repeated_and_emit_may_follow(healthy: Rig) -> None:
    healthy.sink.emit(decision("daisy"))
    healthy.sink.close()
    healthy.sink.close()
    healthy.sink.emit(decision("rose"))
    healthy.sink.close()
    assert healthy.delivered() == ["daisy"]


@pytest.mark.parametrize("label", [None, "", " ", "{label}", "a\nb", "ä_ö", "x" * 3000, "\udc80"])
@pytest.mark.parametrize("score", [0.0, 1.0, math.nan])
def test_no_decision_makes_it_raise(healthy: Rig, label: str | None, score: float) -> None:
    healthy.sink.emit(decision(label, score=score))
    healthy.sink.close()


def test_emit_never_waits_for_a_hung_backend(hung: Rig) -> None:
    start_s = time.perf_counter()
    for sequence in range(500):
        hung.sink.emit(decision(f"label{sequence}", sequence))
    assert time.perf_counter() - start_s < 500 * EMIT_S


def test_close_does_not_wait_long_for_a_hung_backend(hung: Rig) -> None:
    for sequence in range(10):
        hung.sink.emit(decision("daisy", sequence))
    start_s = time.perf_counter()
    hung.sink.close()
    hung.sink.close()
    assert time.perf_counter() - start_s < CLOSE_S


def test_it_is_idle_once_all_is_delivered(healthy: Rig) -> None:
    healthy.sink.emit(decision("daisy"))
    healthy.sink.close()
    assert not healthy.sink.busy


def test_it_is_busy_while_it_hangs(hung: Rig) -> None:
    hung.sink.emit(decision("daisy"))
    assert hung.sink.busy
    hung.sink.close()


def test_no_child_is_left_behind(hung: Rig) -> None:
    before = children()
    hung.sink.emit(decision("daisy"))
    hung.sink.close()
    assert children() == before
