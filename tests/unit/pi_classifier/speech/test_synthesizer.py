"""The cache of phrases and what goes wrong in the child, with shell scripts in its place."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pi_classifier.errors import SinkError
from pi_classifier.speech import synthesizer as synthesizer_module
from pi_classifier.speech.audio_edges import LEAD_S, TRAIL_S, AudioEdges
from pi_classifier.speech.child_process import ChildResult
from pi_classifier.speech.engines import espeak
from pi_classifier.speech.engines.base import Command, Voice, VoiceSettings
from pi_classifier.speech.engines.espeak import EspeakEngine, Pyttsx3Engine
from pi_classifier.speech.synthesizer import CHIME, Synthesizer
from pi_classifier.speech.wavfile import WavFormat, check_speech, read_wav

LONG_S = 10.0
PROMPT_S = 0.2
FORMAT = WavFormat(channels=1, framerate=8000)
SPEECH = FORMAT.file(np.full((4000, 1), 0x4000, np.int16))
LENGTH_S = 0.5 + LEAD_S + TRAIL_S
MADE_BYTES = 44 + round(2 * 8000 * LENGTH_S)


class Script:
    """A script in the place of an engine; $1 is the file it shall write, stdin the text."""

    name = "script"
    gain = 1.0
    key = "script"

    def __init__(self, folder: Path) -> None:
        self.speech = folder / "speech"
        self.speech.write_bytes(SPEECH)
        self.calls = folder / "calls"
        self._script = folder / "script"
        self.does(f'cp {self.speech} "$1"')

    def does(self, script: str) -> None:
        self._script.write_text(f"echo call >> {self.calls}\n{script}\n")

    def command(self, text: str, wav: Path) -> Command:
        return Command(("/bin/sh", str(self._script), str(wav)), text.encode())

    def explain(self, result: ChildResult) -> str:
        return f"it failed: {result.stderr_tail}"

    def voices(self) -> list[Voice]:
        return []

    @property
    def count(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def script(tmp_path: Path) -> Script:
    folder = tmp_path / "script"
    folder.mkdir()
    return Script(folder)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "new" / "cache"


def test_made_once_then_found(script: Script, cache: Path) -> None:
    synthesizer = Synthesizer(cache, script)
    first = synthesizer.wav("I see a daisy")
    assert first == (synthesizer.path("I see a daisy"), LENGTH_S)
    assert synthesizer.wav("I see a daisy") == first
    synthesizer.make("I see a daisy")
    assert Synthesizer(cache, script).wav("I see a daisy") == first
    assert script.count == 1
    synthesizer.make("I see a rose")
    assert script.count == 2
    assert set(cache.iterdir()) == {first[0], synthesizer.path("I see a rose")}


def test_edges_and_the_volume_an_engine_lacks_are_added(script: Script, cache: Path) -> None:
    plain, _ = Synthesizer(cache, script).wav("daisy")
    late, late_s = Synthesizer(cache, script, edges=AudioEdges(lead_in_s=0.5)).wav("daisy")
    assert late_s == LENGTH_S + 0.5
    script.gain = 0.5
    quiet, _ = Synthesizer(cache, script).wav("daisy")
    assert (read_wav(plain)[1].max(), read_wav(quiet)[1].max()) == (16384, 8192)
    assert len({plain, late, quiet}) == 3


def test_the_chime_needs_no_engine(script: Script, cache: Path) -> None:
    path, duration_s = Synthesizer(cache, script).wav(CHIME)
    assert script.count == 0
    assert 0.2 < duration_s < 0.5
    assert check_speech(path) == duration_s


def test_all_that_is_heard_names_the_file(
    script: Script, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def path(text: str = "daisy", **settings: object) -> Path:
        return Synthesizer(cache, Pyttsx3Engine(VoiceSettings(**settings))).path(text)  # type: ignore[arg-type]

    names = {
        path(),
        path("rose"),
        path(voice="de"),
        path(rate_wpm=151),
        path(volume=0.5),
        Synthesizer(cache, EspeakEngine(VoiceSettings())).path("daisy"),
        Synthesizer(cache, script).path("daisy"),
    }
    monkeypatch.setattr(espeak, "library_version", lambda: "libespeak-ng.so.2")
    names.add(path())
    assert len(names) == 8
    assert Synthesizer(cache, script, timeout_s=1).path("daisy") in names


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        SPEECH[:-1],
        b"RIFF",
        SPEECH[:16] + b"\xff" * 4 + SPEECH[20:],
        FORMAT.file(FORMAT.silence(0.5)),
    ],
)
def test_damaged_files_are_made_anew(script: Script, cache: Path, damage: bytes) -> None:
    synthesizer = Synthesizer(cache, script)
    path, _ = synthesizer.wav("daisy")
    path.write_bytes(damage)
    synthesizer.wav("daisy")
    assert check_speech(path) == LENGTH_S
    assert script.count == 2


@pytest.mark.parametrize(
    ("line", "message", "calls"),
    [
        ("echo 'phontab missing' >&2; exit 1", "it failed: phontab missing", 1),
        ("kill -SEGV $$", "it failed: ended by signal 11", 2),
        ("exit 0", "not a complete WAV file", 1),
        ('exec cat /dev/zero > "$1"', "stopped: it wrote more than 1 MB of sound", 2),
        ("exec sleep 60", r"did not end within 0\.2 s and was killed", 1),
    ],
)
def test_what_goes_wrong_is_said(
    script: Script,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    message: str,
    calls: int,
) -> None:
    monkeypatch.setattr(synthesizer_module, "LARGEST_FILE_BYTES", 1 << 20)
    script.does(line)
    synthesizer = Synthesizer(cache, script, timeout_s=0.2 if "sleep" in line else LONG_S)
    with pytest.raises(SinkError, match=message) as error:
        synthesizer.wav("daisy")
    assert "\n" not in str(error.value)
    assert script.count == calls
    assert list(cache.iterdir()) == []


def test_a_crash_by_chance_is_tried_again(script: Script, cache: Path, tmp_path: Path) -> None:
    once = tmp_path / "crashed"
    script.does(f'[ -e {once} ] || {{ : > {once}; kill -ABRT $$; }}; cp {script.speech} "$1"')
    assert Synthesizer(cache, script).wav("daisy")[1] == LENGTH_S
    assert script.count == 2


@pytest.mark.parametrize("text", ["", " \n", "x" * 2001, "ä" * 1001])
def test_too_little_or_too_much_text(script: Script, cache: Path, text: str) -> None:
    with pytest.raises(SinkError, match="expected 1 to 2000 bytes of text"):
        Synthesizer(cache, script).wav(text)
    assert script.count == 0


@pytest.mark.parametrize("text", ["x", "x" * 2000, "ä" * 1000])
def test_just_enough_text(script: Script, cache: Path, text: str) -> None:
    assert Synthesizer(cache, script).wav(text)[1] == LENGTH_S


def test_close_ends_a_synthesis(script: Script, cache: Path, tmp_path: Path) -> None:
    script.does(f": > {tmp_path}/started; exec sleep 60")
    synthesizer = Synthesizer(cache, script)
    errors = []

    def make() -> None:
        with pytest.raises(SinkError) as error:
            synthesizer.wav("daisy")
        errors.append(str(error.value))

    thread = threading.Thread(target=make)
    thread.start()
    while not (tmp_path / "started").exists():
        pass
    start_s = time.monotonic()
    synthesizer.close()
    thread.join(LONG_S)
    assert time.monotonic() - start_s < PROMPT_S
    assert errors == ["speech synthesis was canceled"]
    assert list(cache.iterdir()) == []


def test_cache_keeps_the_newest(script: Script, cache: Path) -> None:
    synthesizer = Synthesizer(cache, script, cache_max_bytes=2 * MADE_BYTES)
    paths = []
    for age, text in ((30, "a"), (20, "b"), (10, "c")):
        path, _ = synthesizer.wav(text)
        stamp = time.time() - age
        os.utime(path, (stamp, stamp))
        paths.append(path)
    assert [path.exists() for path in paths] == [False, True, True]


def test_what_a_killed_process_left_is_removed(script: Script, cache: Path) -> None:
    cache.mkdir(parents=True)
    old, new = cache / ".partial-old", cache / ".partial-new"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 4000,) * 2)
    Synthesizer(cache, script).wav("daisy")
    assert (old.exists(), new.exists()) == (False, True)


def test_what_others_could_have_put_there_is_not_said(
    script: Script, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, _ = Synthesizer(cache, script).wav("daisy")
    cache.chmod(0o777)
    path, _ = Synthesizer(cache, script).wav("daisy")
    assert path != kept
    assert "can be written by every user" in caplog.text
    cache.chmod(0o700)


def test_an_unusable_cache_folder_is_named_and_done_without(
    script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    synthesizer = Synthesizer(file, script)
    path, duration_s = synthesizer.wav("daisy")
    assert duration_s == LENGTH_S
    assert synthesizer.wav("daisy") == (path, duration_s)
    assert script.count == 1
    (message,) = [record.getMessage() for record in caplog.records]
    assert re.match(
        r"speech cache .*file: (File exists|Not a directory); .*speech\.cache_dir", message
    )
    synthesizer.close()
    assert not path.parent.exists()
    with pytest.raises(SinkError, match=r"speech cache .*file: "):
        Synthesizer(file, script, fallback=False).make("daisy")
