"""Labels that change far faster than they can be said, with an engine and a player that fail.

The frame loop and the speech sink are real, and so are all processes; the engine and the
player are scripts that take some time and crash, fail or hang at random.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pi_classifier.sinks.speech import speech_sink
from pi_classifier.speech.child_process import ChildResult
from pi_classifier.speech.engines.base import Command, Voice
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker
from pi_classifier.speech.synthesizer import Synthesizer
from pi_classifier.speech.wavfile import WavFormat
from pi_classifier.types import Decision, Sink

# Of 256: how often the engine crashes; the player fails; the player hangs.
ENGINE_CRASHES, PLAYER_FAILS, PLAYER_HANGS = 64, 13, 13
FINAL_S = 60.0
CLOSE_S = 5.0

_RATE = 8000
_SPEECH = WavFormat(1, _RATE).file(np.full((_RATE, 1), 0x2000, np.int16))
_LOT = "lot=$((RANDOM % 256))"  # bash draws by itself: another process would cost more


class FailingEngine:
    """A script that copies a second of sound, or crashes."""

    name = "failing"
    gain = 1.0
    key = "failing"

    def __init__(self, folder: Path) -> None:
        self._script = folder / "engine"
        self.crashes = folder / "crashes"
        speech = folder / "speech.wav"
        speech.write_bytes(_SPEECH)
        self.crashes.touch()
        self._script.write_text(
            f"{_LOT}\n"
            f'[ "$lot" -ge {ENGINE_CRASHES} ] || {{ echo >> {self.crashes}; kill -SEGV $$; }}\n'
            f'cp {speech} "$1"\n'
        )

    def command(self, text: str, wav: Path) -> Command:
        """The script; the text goes the way it goes to real ones."""
        return Command(("/bin/bash", str(self._script), str(wav)), text.encode())

    def explain(self, result: ChildResult) -> str:
        """As real ones."""
        return f"the engine failed: {result.stderr_tail}"

    def voices(self) -> list[Voice]:
        """None."""
        return []


@dataclass(slots=True)
class Outcome:
    """What a storm left; times of frames in ms, in the order they came."""

    silent_ms: list[float] = field(default_factory=list)
    speaking_ms: list[float] = field(default_factory=list)
    said: int = 0
    crashes: int = 0
    failures: int = 0
    final_said: bool = False
    children: int = 0
    descriptors: int = 0
    threads: int = 0


class Storm:
    """Drives a speech sink with a new label every `1 / rate` seconds; `work` is a frame's."""

    def __init__(self, folder: Path, work: Callable[[], object] = lambda: None) -> None:
        self._folder = folder
        self._work = work
        self._said = folder / "said"
        self._said.touch()
        self._label = 0

    def run(self, changes: int, rate: float, block: int = 250) -> Outcome:
        """Half the frames with speech and half without, in turns of `block`."""
        outcome = Outcome()
        before = _children(), _descriptors(), threading.active_count()
        engine = FailingEngine(self._folder)
        with self._players():
            settings = SpeechSettings(
                output="aplay", timeout_s=0.5, prewarm=0, cooldown_s=0, cache_max_mb=1
            )
            voice = Synthesizer(self._folder / "cache", engine)
            sink = speech_sink(settings, speaker=Speaker(settings, synthesizer=voice))
            for _ in range(0, changes, block):
                outcome.silent_ms += self._frames(block, rate, None)
                outcome.speaking_ms += self._frames(block, rate, sink)
            final = f"I see a flower {self._label}"
            outcome.final_said = self._is_said(voice.path(final))
            sink.close(CLOSE_S)
            voice.close()
        outcome.failures = sink.failures
        outcome.said = len(self._said.read_text().splitlines())
        outcome.crashes = len(engine.crashes.read_text().splitlines())
        after = _children(), _descriptors(), threading.active_count()
        outcome.children, outcome.descriptors, outcome.threads = (
            now - then for now, then in zip(after, before, strict=True)
        )
        return outcome

    def _frames(self, count: int, rate: float, sink: Sink | None) -> Iterator[float]:
        due_s = time.perf_counter()
        for _ in range(count):
            due_s += 1 / rate
            time.sleep(max(0.0, due_s - time.perf_counter()))
            begin_s = time.perf_counter()
            self._work()
            if sink is not None:
                self._label += 1
                sink.emit(Decision(f"flower {self._label}", 0.9, self._label, 0, 0, "storm"))
            yield 1e3 * (time.perf_counter() - begin_s)

    def _is_said(self, wav: Path) -> bool:
        deadline_s = time.monotonic() + FINAL_S
        while time.monotonic() < deadline_s:
            if self._said.read_text().splitlines()[-1:] == [str(wav)]:
                return True
            time.sleep(0.01)
        return False

    @contextmanager
    def _players(self) -> Iterator[None]:
        """Put a script before the real aplay; it notes what it has played to its end."""
        programs = self._folder / "bin"
        programs.mkdir()
        player = programs / "aplay"
        player.write_text(
            "#!/bin/bash\n"
            f"{_LOT}\n"
            f'[ "$lot" -ge {PLAYER_FAILS} ] || exit 1\n'
            f'[ "$lot" -ge {PLAYER_FAILS + PLAYER_HANGS} ] || exec sleep 60\n'
            f'sleep 0.05; echo "$2" >> {self._said}\n'
        )
        player.chmod(0o755)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{programs}:{before}"
        try:
            yield
        finally:
            os.environ["PATH"] = before


def _children() -> int:
    """How many processes this one has, dead ones that were not reaped included."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            count += stat.read_text().rsplit(")", 1)[1].split()[1] == str(os.getpid())
    return count


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  only counted
