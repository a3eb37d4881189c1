"""The cache of phrases and what goes wrong in the child, with shell scripts in its place."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.speech import synthesis
from pi_classifier.speech.synthesis import Synthesiser, engine_version
from pi_classifier.speech.wavfile import header

LONG_S = 10.0
PROMPT_S = 0.2
SPEECH = header(1, 2, 8000, 8000) + b"\x00\x40" * 4000


class Child:
    """A script that is run in place of the synthesis; $1 is the file it shall write."""

    def __init__(self, folder: Path) -> None:
        self.speech = folder / "speech"
        self.speech.write_bytes(SPEECH)
        self.calls = folder / "calls"
        self._script = folder / "script"
        self.command = ("/bin/sh", str(self._script))
        self.does(f'cp {self.speech} "$1"')

    def does(self, script: str) -> None:
        self._script.write_text(f"echo call >> {self.calls}\n{script}\n")

    @property
    def count(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def child(tmp_path: Path) -> Child:
    folder = tmp_path / "child"
    folder.mkdir()
    return Child(folder)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "new" / "cache"


def test_made_once_then_found(child: Child, cache: Path) -> None:
    synthesiser = Synthesiser(cache, command=child.command)
    first = synthesiser.wav("I see a daisy")
    assert first == (synthesiser.path("I see a daisy"), 0.5)
    assert first[0].read_bytes() == SPEECH
    assert synthesiser.wav("I see a daisy") == first
    assert Synthesiser(cache, command=child.command).wav("I see a daisy") == first
    assert child.count == 1
    assert list(cache.iterdir()) == [first[0]]


def test_all_that_shapes_the_sound_names_the_file(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        Synthesiser(cache).path("daisy"),
        Synthesiser(cache).path("rose"),
        Synthesiser(cache, voice="de").path("daisy"),
        Synthesiser(cache, rate_wpm=151).path("daisy"),
        Synthesiser(cache, volume=0.5).path("daisy"),
    }
    monkeypatch.setattr(synthesis, "engine_version", lambda: "pyttsx3 3 libespeak-ng.so.2")
    names.add(Synthesiser(cache).path("daisy"))
    assert len(names) == 6
    assert Synthesiser(cache, timeout_s=1).path("daisy") in names


@pytest.mark.parametrize(
    "damage", [b"", SPEECH[:-1], b"RIFF", header(1, 2, 8000, 8000) + bytes(8000)]
)
def test_damaged_files_are_made_anew(child: Child, cache: Path, damage: bytes) -> None:
    synthesiser = Synthesiser(cache, command=child.command)
    path, _ = synthesiser.wav("daisy")
    path.write_bytes(damage)
    synthesiser.wav("daisy")
    assert path.read_bytes() == SPEECH
    assert child.count == 2


@pytest.mark.parametrize(
    ("script", "message", "calls"),
    [
        ("echo 'No module named pyttsx3' >&2; exit 3", "install it with: pip install pyttsx3", 1),
        ("exit 4", "no speech engine: .*sudo apt install espeak-ng", 1),
        ("exit 5", r"speech\.voice = 'xx': espeak-ng has no such voice", 1),
        ("echo 'phontab missing' >&2; exit 1", "speech engine failed: phontab missing", 1),
        ("kill -SEGV $$", "speech engine failed: ended by signal 11", 2),
        ("exit 0", "not a complete WAV file", 1),
        ("exec sleep 60", r"did not end within 0\.2 s and was killed", 1),
    ],
)
def test_what_goes_wrong_is_said(
    child: Child, cache: Path, script: str, message: str, calls: int
) -> None:
    child.does(script)
    synthesiser = Synthesiser(cache, voice="xx", timeout_s=0.2, command=child.command)
    with pytest.raises(SinkError, match=message) as error:
        synthesiser.wav("daisy")
    assert "\n" not in str(error.value)
    assert child.count == calls
    assert list(cache.iterdir()) == []


def test_a_crash_by_chance_is_tried_again(child: Child, cache: Path, tmp_path: Path) -> None:
    once = tmp_path / "crashed"
    child.does(f'[ -e {once} ] || {{ : > {once}; kill -ABRT $$; }}; cp {child.speech} "$1"')
    assert Synthesiser(cache, command=child.command).wav("daisy")[1] == 0.5
    assert child.count == 2


@pytest.mark.parametrize("text", ["", " \n", "x" * 2001, "ä" * 1001])
def test_too_little_or_too_much_text(child: Child, cache: Path, text: str) -> None:
    with pytest.raises(SinkError, match="expected 1 to 2000 bytes of text"):
        Synthesiser(cache, command=child.command).wav(text)
    assert child.count == 0


@pytest.mark.parametrize("text", ["x", "x" * 2000, "ä" * 1000])
def test_just_enough_text(child: Child, cache: Path, text: str) -> None:
    assert Synthesiser(cache, command=child.command).wav(text)[1] == 0.5


def test_close_ends_a_synthesis(child: Child, cache: Path, tmp_path: Path) -> None:
    child.does(f": > {tmp_path}/started; exec sleep 60")
    synthesiser = Synthesiser(cache, command=child.command)
    errors = []

    def make() -> None:
        with pytest.raises(SinkError) as error:
            synthesiser.wav("daisy")
        errors.append(str(error.value))

    thread = threading.Thread(target=make)
    thread.start()
    while not (tmp_path / "started").exists():
        pass
    start_s = time.monotonic()
    synthesiser.close()
    thread.join(LONG_S)
    assert time.monotonic() - start_s < PROMPT_S
    assert errors == ["the synthesis was given up"]
    assert list(cache.iterdir()) == []


def test_cache_keeps_the_newest(child: Child, cache: Path) -> None:
    synthesiser = Synthesiser(cache, cache_max_bytes=2 * len(SPEECH), command=child.command)
    paths = []
    for age, text in ((30, "a"), (20, "b"), (10, "c")):
        path, _ = synthesiser.wav(text)
        stamp = time.time() - age
        os.utime(path, (stamp, stamp))
        paths.append(path)
    assert [path.exists() for path in paths] == [False, True, True]


def test_what_a_killed_process_left_is_removed(child: Child, cache: Path) -> None:
    cache.mkdir(parents=True)
    old, new = cache / "old.part", cache / "new.part"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 4000,) * 2)
    Synthesiser(cache, command=child.command).wav("daisy")
    assert (old.exists(), new.exists()) == (False, True)


def test_unusable_cache_folder_is_named(child: Child, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SinkError, match=r"file: .*set speech\.cache_dir"):
        Synthesiser(file, command=child.command).wav("daisy")


def test_engine_version_names_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libespeak-ng.so.1.2.3").write_bytes(b"12345")
    (tmp_path / "libespeak-ng.so.1").symlink_to("libespeak-ng.so.1.2.3")
    monkeypatch.setattr(synthesis, "_LIBRARY_PLACES", (str(tmp_path),))
    assert engine_version().endswith(" libespeak-ng.so.1.2.3 5")
    shutil.rmtree(tmp_path)
    assert "libespeak" not in engine_version()
