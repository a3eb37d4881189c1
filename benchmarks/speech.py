"""The speech bench: from a decision to the first sample, the children's memory, a storm."""

from __future__ import annotations

import argparse
import os
import re
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from benchmarks.scenes import garden
from benchmarks.speech_storm import Outcome, Storm
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.sinks.speech import speech_sink
from pi_classifier.speech.engines.base import ENGINES
from pi_classifier.speech.engines.registry import open_engine
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.types import Decision, Frame, Sink

LATENCY = "Speech: from the decision to the first sample"
MEMORY = "Speech: most memory of its processes"
STORM = "Speech: labels change too fast, engine and player fail at random"
ABOUT = {
    LATENCY: (
        "from `emit` in the frame thread to the moment aplay hands the first samples to the",
        "device, which is a pipe here; not cached: the engine runs first",
    ),
    MEMORY: ("resident at the most; each lives for one phrase, none stays; MB are 10⁶ bytes",),
    STORM: (
        "frames of the flowers cascade, half of them with a new label each; the engine's stand-in",
        "crashes every fourth time, the player's fails or hangs every tenth",
    ),
}
PARTS = ("latency", "memory", "storm")
CACHED, NOT_CACHED = Aim(50, "ours"), Aim(300, "ours")
CALM, NONE = Aim(1.1, "ratio"), Aim(0, "ours")
_PHRASE = "I see a daisy"
_FIRST_S = 10.0
_MOST_RESIDENT = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench speech``."""
    parser = argparse.ArgumentParser(prog="scripts/bench speech", description="Measure speech.")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument(
        "--engine", action="append", choices=ENGINES, help="default: all but piper"
    )
    parser.add_argument("--voice", default="", help="the engine's voice; piper needs one")
    parser.add_argument("--phrases", type=int, default=21, metavar="N", help="of each kind (21)")
    parser.add_argument("--changes", type=int, default=10_000, metavar="N", help="labels (10000)")
    parser.add_argument("--rate", type=float, default=100.0, metavar="N", help="a second (100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure part after part; yield the figures of each."""
    parts: dict[str, Callable[[argparse.Namespace, Path], Iterator[Figure]]] = {
        "latency": _latency,
        "memory": _memory,
        "storm": _storm,
    }
    for part in arguments.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            yield list(parts[part](arguments, Path(folder)))


def _engines(arguments: argparse.Namespace) -> Sequence[str]:
    return arguments.engine or [name for name in ENGINES if name != "piper"]


def _latency(arguments: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    with _pipe_card(folder) as pipe:
        for name in _engines(arguments):
            settings = SpeechSettings(
                engine=name,
                voice=arguments.voice,
                output="aplay",
                cache_dir=str(folder / name),
                prewarm=0,
                cooldown_s=0,
                interrupt=False,
            )
            with closing(speech_sink(settings)) as sink:
                _first_sample_ms(sink, pipe, "warm-up")  # the output is looked for only once
                labels = [f"flower {number}" for number in range(arguments.phrases)]
                new = [_first_sample_ms(sink, pipe, label) for label in labels]
                kept = [_first_sample_ms(sink, pipe, label) for label in labels]
            for kind, times, aim in (("cached", kept, CACHED), ("not cached", new, NOT_CACHED)):
                yield Figure(LATENCY, name, kind, "ms", median(times), aim=aim)
                yield Figure(LATENCY, name, f"{kind}, slowest of {len(times)}", "ms", max(times))


def _first_sample_ms(sink: Sink, pipe: int, label: str) -> float:
    while sink.busy or select.select([pipe], [], [], 0.02)[0]:
        with suppress(BlockingIOError):
            os.read(pipe, 1 << 16)
    begin_s = time.perf_counter()
    sink.emit(Decision(label, 0.9, 0, 0, 0, "bench"))
    if not select.select([pipe], [], [], _FIRST_S)[0]:
        raise BenchmarkError(f"nothing was heard of {label!r} within {_FIRST_S:g} s")
    return 1e3 * (time.perf_counter() - begin_s)


@contextmanager
def _pipe_card(folder: Path) -> Iterator[int]:
    """A sound card for ALSA whose loudspeaker is a pipe; yields its other end."""
    path, configuration = folder / "loudspeaker", folder / "asound.conf"
    os.mkfifo(path)
    configuration.write_text(
        "pcm.nothing { type null }\n"
        f'pcm.!default {{ type file slave.pcm "nothing" file "{path}" format "raw" }}\n'
    )
    before = os.environ.get("ALSA_CONFIG_PATH")
    os.environ["ALSA_CONFIG_PATH"] = str(configuration)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # so that its end never comes
    try:
        yield pipe
    finally:
        os.close(pipe)
        if before is None:
            del os.environ["ALSA_CONFIG_PATH"]
        else:
            os.environ["ALSA_CONFIG_PATH"] = before


@contextmanager
def _drained(pipe: int) -> Iterator[None]:
    """Read what comes, so that the player is not held up."""
    ending = threading.Event()

    def drain() -> None:
        while not ending.is_set():
            if select.select([pipe], [], [], 0.02)[0]:
                os.read(pipe, 1 << 16)

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _memory(arguments: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    for name in _engines(arguments):
        settings = SpeechSettings(engine=name, voice=arguments.voice, cache_dir=str(folder))
        wav = folder / f"{name}.wav"
        wav.touch()
        command = open_engine(name, settings.voice_settings).command(_PHRASE, wav)
        peaks = [_peak_mb(command.argv, command.stdin) for _ in range(3)]
        yield Figure(MEMORY, "engines", name, "MB", median(peaks))
    with _pipe_card(folder) as pipe, _drained(pipe):
        yield Figure(MEMORY, "players", "aplay", "MB", _peak_mb(("aplay", "-q", str(wav)), b""))


def _peak_mb(argv: Sequence[str], stdin: bytes) -> float:
    """Most resident memory of a process, polled while it runs.

    Not wait4's ru_maxrss, which counts the memory of whoever started the process.
    """
    peak_kb = 0
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None  # noqa: S101  asked for above
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(stdin)
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            match = _MOST_RESIDENT.search(status.read_text())
            peak_kb = max(peak_kb, int(match[1]) if match else 0)
    if process.returncode != 0:
        raise BenchmarkError(f"{argv[0]} failed")
    return peak_kb * 1024 / 1e6


def _storm(arguments: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    pictures = garden(24)
    model = ModelSettings(path="flowers", cache_dir=str(folder / "weights"))
    with closing(open_classifier(model)) as classifier:
        sequence = iter(range(1 << 62))

        def work() -> None:
            number = next(sequence)
            classifier.classify(Frame(pictures[number % len(pictures)], number, number))

        for _ in range(100):
            work()
        outcome = Storm(folder, work).run(arguments.changes, arguments.rate)
    yield from _storm_figures(f"{arguments.changes} at {arguments.rate:g} a second", outcome)


def _storm_figures(subject: str, outcome: Outcome) -> Iterator[Figure]:
    for name, share in (("frame, median", 50.0), ("frame, p99", 99.0)):
        speaking = float(np.percentile(outcome.speaking_ms, share))
        silent = float(np.percentile(outcome.silent_ms, share))
        aim = CALM if share == 99.0 else None
        yield Figure(STORM, subject, name, "ms", speaking, "silent", silent, aim=aim)
    for name, count, aim in (
        ("engine crashed", outcome.crashes, None),
        ("phrases said to their end", outcome.said, None),
        ("last label not said", int(not outcome.final_said), NONE),
        ("processes left", outcome.children, NONE),
        ("descriptors more", outcome.descriptors, NONE),
        ("threads more", outcome.threads, NONE),
    ):
        yield Figure(STORM, subject, name, "", count, aim=aim)
