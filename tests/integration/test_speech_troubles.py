"""Speech where little is allowed and much goes wrong: a storm of labels, a service's
environment, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.speech_storm import Storm
from pi_classifier.sinks.speech import speech_sink
from pi_classifier.speech.player import FolderOutput, open_output
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker
from pi_classifier.speech.wavfile import check_speech
from pi_classifier.types import Decision

LONG_S = 20.0
PROGRAM = (sys.executable, "-m", "pi_classifier", "say")


def test_a_storm_of_labels_leaves_nothing_behind_and_the_last_is_said(tmp_path: Path) -> None:
    outcome = Storm(tmp_path).run(changes=400, rate=400.0, block=100)
    assert outcome.final_said
    assert (outcome.children, outcome.descriptors, outcome.threads) == (0, 0, 0)
    assert outcome.said >= 1
    assert len(outcome.speaking_ms) == 400


@pytest.fixture
def service(tmp_path: Path) -> dict[str, str]:
    """The environment of a service: no home, no session, ALSA only, a card that is a file.

    Whoever starts a sound server is caught: paplay's helper notes it.
    """
    programs = tmp_path / "bin"
    programs.mkdir()
    server = programs / "pulseaudio"
    server.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    server.chmod(0o755)
    configuration = tmp_path / "asound.conf"
    configuration.write_text(
        "pcm.nothing { type null }\n"
        f'pcm.!default {{ type file slave.pcm "nothing" file "{tmp_path}/heard" format "raw" }}\n'
    )
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "CACHE_DIRECTORY": str(tmp_path / "cache"),
        "ALSA_CONFIG_PATH": str(configuration),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "LANG": "C",
    }


@pytest.mark.parametrize("engine", ["pyttsx3", "espeak-ng", "flite"])
def test_a_service_without_home_and_session_speaks(
    tmp_path: Path, service: dict[str, str], engine: str
) -> None:
    arguments = ("--set", f"speech.engine={engine}", "I see a daisy")
    done = subprocess.run(
        (*PROGRAM, *arguments), env=service, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "said 'I see a daisy' through aplay\n"
    (kept,) = (tmp_path / "cache/speech").glob("*.wav")
    assert (tmp_path / "heard").stat().st_size >= 0.9 * (kept.stat().st_size - 44)
    assert not Path("/nonexistent").exists()
    assert not (tmp_path / "started").exists()  # no PulseAudio was started in vain


def test_a_full_disk_does_not_keep_it_from_speaking(
    tmp_path: Path, service: dict[str, str]
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    script = (
        f"mount -t tmpfs -o size=64k none {cache} && "
        f"dd if=/dev/zero of={cache}/full bs=1k count=60 status=none && "
        f"{' '.join(PROGRAM)} --set speech.output=wav:{tmp_path}/spoken.wav daisy && "
        f"ls {cache}/speech"
    )
    done = subprocess.run(
        ("unshare", "--map-root-user", "--mount", "sh", "-c", script),
        env=service | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "No space left on device; phrases are made anew after each start" in done.stderr
    assert done.stdout == f"said 'daisy' through wav:{tmp_path}/spoken.wav\n"  # nothing is left
    assert check_speech(tmp_path / "spoken.wav") > 0.3
    assert not list(tmp_path.glob("pi-classifier-speech-*"))


def test_each_phrase_in_a_file_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "spoken"
    settings = SpeechSettings(
        engine="espeak-ng", output=f"wav:{folder}/", cache_dir=str(tmp_path / "cache")
    )
    with closing(Speaker(settings)) as speaker:
        for text in ("daisy", "rose"):
            assert speaker.speak(text).output == f"wav:{folder}/"
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 2
    assert all(check_speech(folder / name) > 0.3 for name in names)
    assert isinstance(open_output(f"wav:{folder}"), FolderOutput)


def test_phrases_are_made_beforehand_and_kept(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    settings = SpeechSettings(
        engine="espeak-ng",
        chime="before",
        nothing_phrase="All is quiet",
        output=f"wav:{tmp_path}/spoken.wav",
        cache_dir=str(cache),
    )
    labels = ["daisy", "iris", "rose"]

    def made() -> list[Path]:
        # Those that are being written have hidden names.
        return sorted(path for path in cache.glob("*.wav") if not path.name.startswith("."))

    sink = speech_sink(settings, labels=labels)
    deadline_s = time.monotonic() + LONG_S
    while len(made()) < 4:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    sink.close()
    stamps = [path.stat().st_mtime_ns for path in made()]
    again = speech_sink(settings, labels=labels)
    again.emit(Decision("iris", 0.9, 0, 0, 0, "fast"))
    while again.busy:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    again.close()
    assert [path.stat().st_mtime_ns for path in made()] == stamps
    assert check_speech(tmp_path / "spoken.wav") > 0.7  # the chime and the words


def test_voices_and_all_labels_on_the_command_line(
    tmp_path: Path, service: dict[str, str]
) -> None:
    def run(*arguments: str) -> list[str]:
        done = subprocess.run(
            (*PROGRAM, *arguments), env=service, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    espeak = ("--set", "speech.engine=espeak-ng", "--set", "speech.language=de")
    assert [line.split() for line in run("--list-voices", *espeak)] == [["de", "de"]]
    names = ("--set", "speech.names.daisy=Gänseblümchen")
    made = run("--all-labels", "--make-only", *espeak, *names)
    assert made[0].startswith("made 'Ich sehe Gänseblümchen': ")
    assert len(made) == len(list((tmp_path / "cache/speech").glob("*.wav"))) == 5
    assert not (tmp_path / "heard").exists()


def test_programs_needed_here_are_there() -> None:
    for program in ("espeak-ng", "flite", "aplay", "unshare"):
        assert shutil.which(program, path=os.defpath + ":/usr/sbin"), program
