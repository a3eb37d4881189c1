"""What holds for every sink, healthy, hung or broken."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, dataclass, field, fields
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pi_classifier.logs.handlers import setup_logging
from pi_classifier.sinks.jsonl import JsonlSettings, jsonl_sink
from pi_classifier.sinks.log import LogSettings, LogSink
from pi_classifier.sinks.speech import speech_sink
from pi_classifier.sinks.stdout import StdoutSettings, stdout_sink
from pi_classifier.speech.child_process import ChildResult
from pi_classifier.speech.engines.base import Command, Voice
from pi_classifier.speech.player import PlayerOutput
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker
from pi_classifier.speech.synthesizer import Synthesizer
from pi_classifier.speech.wavfile import WavFormat
from pi_classifier.types import Decision, Sink

Settings = StdoutSettings | LogSettings | JsonlSettings | SpeechSettings
State = Literal["healthy", "hung", "broken"]

LONG_S = 10.0
EMIT_S = 0.002  # on average; a few microseconds, with room for a busy machine
CLOSE_S = 1.0
MOST_WAITING = 4096  # in any queue


@dataclass
class Rig:
    """A sink on a backend in some state; `delivered` tells what came through."""

    sink: Sink
    delivered: Callable[[], list[str]]
    free: Callable[[], None] = lambda: None
    clean: list[Callable[[], None]] = field(default_factory=list)


class Pipe:
    """A pipe and its reader, who may read nothing or be gone."""

    def __init__(self, state: State) -> None:
        self.reading, self.writing = os.pipe()
        self._open = [self.reading, self.writing]
        if state == "broken":
            self.close_reader()
        if state == "hung":
            os.set_blocking(self.writing, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(self.writing, bytes(4096))
            os.set_blocking(self.writing, True)

    def lines(self) -> list[str]:
        return os.read(self.reading, 100_000).decode().splitlines()

    def close_reader(self) -> None:
        if self.reading in self._open:
            self._open.remove(self.reading)
            os.close(self.reading)

    def close(self) -> None:
        for fd in self._open:
            os.close(fd)


def stdout_rig(tmp_path: Path, state: State) -> Rig:
    pipe = Pipe(state)
    sink = stdout_sink(StdoutSettings(), fd=pipe.writing)
    return Rig(sink, pipe.lines, pipe.close_reader, [pipe.close])


def log_rig(tmp_path: Path, state: State) -> Rig:
    """The program's log as it is: handler, queue, and a pipe as its stderr."""
    pipe = Pipe(state)
    setup_logging(stderr_fd=pipe.writing)

    def labels() -> list[str]:
        return [line.split()[5] for line in pipe.lines()]  # 12:00:00 INFO I see a LABEL

    return Rig(LogSink(LogSettings()), labels, pipe.close_reader, [pipe.close])


def jsonl_rig(tmp_path: Path, state: State) -> Rig:
    path = tmp_path / "decisions.jsonl"
    readers = []
    if state == "hung":
        os.mkfifo(path)  # no line gets through until there is a reader
    if state == "broken":
        path.mkdir()

    def free() -> None:
        readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))

    def clean() -> None:
        for fd in readers:
            os.close(fd)

    return Rig(
        jsonl_sink(JsonlSettings(path=str(path))),
        lambda: [json.loads(line)["label"] for line in path.read_text().splitlines()],
        free if state == "hung" else lambda: None,
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

    def explain(self, result: ChildResult) -> str:
        return result.stderr_tail

    def voices(self) -> list[Voice]:
        return []


def speech_rig(tmp_path: Path, state: State) -> Rig:
    speech = tmp_path / "speech"
    speech.write_bytes(WavFormat(1, 8000).file(np.full((4000, 1), 0x4000, np.int16)))
    script = tmp_path / "synthesize"
    script.write_text(f'cat > {tmp_path}/text; cp {speech} "$1"\n')
    player = tmp_path / "aplay"
    work = {
        "healthy": f'sed "s/.* //" {tmp_path}/text >> {tmp_path}/said',
        "hung": "exec sleep 60",
        "broken": "exit 1",
    }
    player.write_text(f"#!/bin/sh\n{work[state]}\n")
    player.chmod(0o755)
    output = PlayerOutput("aplay")
    output._argv[0] = str(player)
    settings = SpeechSettings(interrupt=False, cache_dir=str(tmp_path / "cache"))
    synthesizer = Synthesizer(tmp_path / "cache", ScriptEngine(script))
    return Rig(
        speech_sink(settings, speaker=Speaker(settings, synthesizer=synthesizer, output=output)),
        lambda: (tmp_path / "said").read_text().split(),
    )


RIGS = {"stdout": stdout_rig, "log": log_rig, "jsonl": jsonl_rig, "speech": speech_rig}


@pytest.fixture(params=RIGS)
def healthy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with built(request.param, tmp_path, "healthy") as rig:
        yield rig


@pytest.fixture(params=RIGS)
def hung(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with built(request.param, tmp_path, "hung") as rig:
        yield rig


@pytest.fixture(params=RIGS)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with built(request.param, tmp_path, "broken") as rig:
        yield rig


@contextlib.contextmanager
def built(name: str, tmp_path: Path, state: State) -> Iterator[Rig]:
    rig = RIGS[name](tmp_path, state)
    yield rig
    rig.free()
    rig.sink.close()
    for clean in rig.clean:
        clean()


def decision(label: str | None, sequence: int = 0, score: float = 0.9) -> Decision:
    return Decision(label, score, sequence, sequence, 0, "fast")


def children() -> list[str]:
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = stat.read_text().rsplit(")", 1)
            if rest.split()[1] == str(os.getpid()):
                names.append(name)
    return names


@pytest.mark.parametrize("name", RIGS)
def test_it_has_the_name_of_its_settings(name: str, tmp_path: Path) -> None:
    with built(name, tmp_path, "healthy") as rig:
        assert rig.sink.name == name


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


# A file is never waited for: a pipe that nobody reads is a failure, which puts the item off.
@pytest.mark.parametrize("name", [name for name in RIGS if name != "jsonl"])
def test_it_is_busy_while_it_hangs(name: str, tmp_path: Path) -> None:
    with built(name, tmp_path, "hung") as hung:
        hung.sink.emit(decision("daisy"))
        assert hung.sink.busy


def test_no_child_is_left_behind(hung: Rig) -> None:
    before = children()
    hung.sink.emit(decision("daisy"))
    hung.sink.close()
    assert children() == before


@pytest.mark.parametrize(
    ("settings", "equal", "other"),
    [
        (StdoutSettings(json=True), StdoutSettings(json=True), StdoutSettings()),
        (LogSettings(enabled=False), LogSettings(enabled=False), LogSettings()),
        (JsonlSettings(path="a"), JsonlSettings(path="a"), JsonlSettings(path="b")),
        (
            SpeechSettings(names={"daisy": "x", "rose": "y"}),
            SpeechSettings(names={"rose": "y", "daisy": "x"}),
            SpeechSettings(names={"daisy": "x"}),
        ),
    ],
)
def test_settings_are_compared_by_value_and_do_not_change(
    settings: Settings, equal: Settings, other: Settings
) -> None:
    assert settings == equal
    assert settings != other
    with pytest.raises(FrozenInstanceError):
        setattr(settings, fields(settings)[0].name, None)


def test_nothing_is_counted_when_all_went_well(healthy: Rig) -> None:
    healthy.sink.emit(decision("daisy"))
    healthy.sink.close()
    assert (healthy.sink.dropped, healthy.sink.failures) == (0, 0)


def test_what_finds_no_room_is_counted(hung: Rig) -> None:
    for sequence in range(5000):
        hung.sink.emit(decision(f"label{sequence}", sequence))
    assert hung.sink.dropped >= 5000 - MOST_WAITING - 1  # and the one that hangs


def test_what_comes_after_close_is_counted(healthy: Rig) -> None:
    healthy.sink.close()
    healthy.sink.emit(decision("daisy"))
    assert healthy.sink.dropped == 1


def test_attempts_that_fail_are_counted(broken: Rig) -> None:
    broken.sink.emit(decision("daisy"))
    deadline_s = time.monotonic() + LONG_S
    while not broken.sink.failures:
        assert time.monotonic() < deadline_s
    broken.sink.close()
    assert broken.sink.failures >= 1
