"""Speech with the real pyttsx3, espeak-ng and aplay: nothing here is skipped for want of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.sinks.speech import speech_sink
from pi_classifier.speech import player
from pi_classifier.speech.child_process import ChildResult
from pi_classifier.speech.engines.base import Command, Voice, VoiceSettings
from pi_classifier.speech.engines.espeak import CHILD, Pyttsx3Engine
from pi_classifier.speech.player import PlayerOutput, open_output
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker, SpokenResult
from pi_classifier.speech.synthesizer import LONGEST_TEXT_BYTES, Synthesizer
from pi_classifier.speech.wavfile import check_speech
from pi_classifier.types import Decision

LONG_S = 20.0
PROMPT_S = 0.2  # it takes 10 to 20 ms
SHORTEST_S = 0.3


@pytest.fixture(autouse=True)
def _no_sound_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sound server of this machine is met, and no sound card but the one a test makes."""
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/no-pulseaudio")
    monkeypatch.setenv("PIPEWIRE_REMOTE", f"{tmp_path}/no-pipewire")
    alsa(tmp_path, monkeypatch, "pcm.!default { type hw card 31 }")


def synthesizer(cache: Path, **settings: Any) -> Synthesizer:
    return Synthesizer(cache, Pyttsx3Engine(VoiceSettings(**settings)))


@pytest.fixture
def settings(tmp_path: Path) -> SpeechSettings:
    return SpeechSettings(cache_dir=str(tmp_path / "cache"), output=f"wav:{tmp_path}/spoken.wav")


def alsa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make `text` all of ALSA's configuration."""
    path = tmp_path / "asound.conf"
    path.write_text(text + "\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(path))


def alsa_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Path) -> None:
    """A sound card whose loudspeaker is the file `heard`; it plays faster than time."""
    alsa(
        tmp_path,
        monkeypatch,
        "pcm.nothing { type null }\n"
        f'pcm.!default {{ type file slave.pcm "nothing" file "{heard}" format "raw" }}',
    )


def samples(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())


def say(text: str, settings: SpeechSettings) -> SpokenResult:
    with contextlib.closing(Speaker(settings)) as speaker:
        return speaker.speak(text)


def children() -> list[str]:
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = stat.read_text().rsplit(")", 1)
            if rest.split()[1] == str(os.getpid()):
                names.append(name)
    return names


def decision(label: str | None) -> Decision:
    return Decision(label, 0.9, 0, 0, 0, "fast")


@pytest.mark.parametrize(
    "text", ["daisy", "I see a daisy", "I see an iris", "Ich sehe Gänseblümchen"]
)
def test_phrases_are_audible(tmp_path: Path, text: str) -> None:
    path, duration_s = synthesizer(tmp_path).wav(text)
    assert SHORTEST_S < duration_s < 5
    assert check_speech(path) == duration_s


def test_a_phrase_that_takes_the_engine_long_is_whole(tmp_path: Path) -> None:
    sentence = "one two three four five six seven eight nine ten. "
    text = sentence * (LONGEST_TEXT_BYTES // len(sentence))
    _, once_s = synthesizer(tmp_path).wav(sentence)
    _, duration_s = synthesizer(tmp_path).wav(text)
    assert duration_s > 0.8 * once_s * (LONGEST_TEXT_BYTES // len(sentence))


def test_voice_rate_and_volume_change_the_sound(tmp_path: Path) -> None:
    plain = synthesizer(tmp_path).wav("I see a daisy")
    slow = synthesizer(tmp_path, rate_wpm=80).wav("I see a daisy")
    german = synthesizer(tmp_path, voice="de").wav("I see a daisy")
    quiet = synthesizer(tmp_path, volume=0.3).wav("I see a daisy")
    assert slow[1] > 1.3 * plain[1]
    assert samples(german[0]) != samples(plain[0])
    assert max(samples(quiet[0])[1::2]) == 255  # negative samples
    assert samples(quiet[0]) != samples(plain[0])


def test_unknown_voice_is_named(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"speech\.voice = 'xx-klingon': pyttsx3 has no such"):
        synthesizer(tmp_path, voice="xx-klingon").wav("daisy")


def test_text_that_makes_no_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError):
        synthesizer(tmp_path).wav("\u200b")


def test_missing_engine_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("libespeak-ng.so.1", "libespeak.so.1"):
        (tmp_path / name).write_bytes(b"")  # found first, and no library
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with pytest.raises(SinkError, match="sudo apt install espeak-ng"):
        synthesizer(tmp_path / "cache").wav("daisy")


def test_child_is_light_and_found_from_any_folder(tmp_path: Path) -> None:
    wav = tmp_path / "x.wav"
    (tmp_path / "wave.py").write_text("raise SystemExit('taken from the current folder')")
    packages = str(Path(player.__file__).resolve().parents[2])
    argv = [CHILD[0], "-X", "importtime", *CHILD[1:], str(wav), "", "150", "1.0"]
    wav.touch()
    done = subprocess.run(
        argv,
        input=b"daisy",
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": packages},
        check=True,
    )
    imported = {
        line.rsplit(b"|", 1)[1].strip() for line in done.stderr.splitlines() if b"|" in line
    }
    assert b"pyttsx3" in imported
    assert not imported & {b"numpy", b"pi_classifier.types", b"pi_classifier.errors"}
    assert check_speech(wav) > SHORTEST_S


class Wrapped:
    """pyttsx3, its command run by a shell script that does something to it."""

    name = "wrapped"
    gain = 1.0
    key = "wrapped"

    def __init__(self, script: Path, text: str) -> None:
        self._script = script
        script.write_text(text)
        self._engine = Pyttsx3Engine(VoiceSettings())

    def command(self, text: str, wav: Path) -> Command:
        command = self._engine.command(text, wav)
        return Command(("/bin/sh", str(self._script), *command.argv), command.stdin)

    def explain(self, result: ChildResult) -> str:
        return result.stderr_tail

    def voices(self) -> list[Voice]:
        return []


def test_child_runs_at_the_priority_asked_for(tmp_path: Path) -> None:
    spy = Wrapped(tmp_path / "spy", f'nice > {tmp_path}/nice; exec "$@"\n')
    Synthesizer(tmp_path / "cache", spy, nice=7).wav("daisy")
    assert int((tmp_path / "nice").read_text()) - os.nice(0) == min(7, 19 - os.nice(0))


def test_engine_that_crashes_at_random_still_speaks(tmp_path: Path) -> None:
    lot = tmp_path / "lot"
    lot.write_text("")
    flaky = Wrapped(
        tmp_path / "flaky",
        f'echo >> {lot}\n[ $(( $(wc -l < {lot}) % 2 )) = 0 ] || kill -SEGV $$\nexec "$@"\n',
    )
    made = Synthesizer(tmp_path / "cache", flaky)
    for label in ("daisy", "rose", "tulip"):
        assert made.wav(label)[1] > SHORTEST_S
    assert len(lot.read_text().splitlines()) == 6


def test_aplay_plays_the_phrase_whole(
    tmp_path: Path, settings: SpeechSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard.raw"
    alsa_file(tmp_path, monkeypatch, heard)
    auto = SpeechSettings(cache_dir=settings.cache_dir)
    result = say("I see a daisy", auto)
    assert (result.output, result.interrupted) == ("aplay", False)
    spoken = samples(synthesizer(Path(settings.cache_dir)).path("I see a daisy"))
    assert spoken in heard.read_bytes()


def test_no_sound_card_is_found_out(settings: SpeechSettings, tmp_path: Path) -> None:
    with pytest.raises(SinkError) as error:
        say("daisy", SpeechSettings(cache_dir=settings.cache_dir))
    assert str(error.value).startswith("no sound")
    assert "aplay: " in str(error.value)
    assert not (tmp_path / "cache").exists()  # nothing was synthesized in vain


def test_hung_aplay_is_killed_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech, _ = synthesizer(tmp_path / "cache").wav("daisy")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)  # nobody reads: aplay blocks while it opens the card
    alsa_file(tmp_path, monkeypatch, fifo)
    start_s = time.monotonic()
    with pytest.raises(SinkError, match=r"aplay did not end within 0\.5 s and was killed"):
        PlayerOutput("aplay").play(speech, 0.5)
    assert time.monotonic() - start_s < 0.5 + PROMPT_S
    assert "aplay" not in " ".join(children())


def test_interrupt_kills_aplay_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech, _ = synthesizer(tmp_path / "cache").wav("daisy")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    alsa_file(tmp_path, monkeypatch, fifo)
    output = PlayerOutput("aplay")
    complete = []
    thread = threading.Thread(target=lambda: complete.append(output.play(speech, LONG_S)))
    thread.start()
    while not any("aplay" in name for name in children()):
        pass
    start_s = time.monotonic()
    output.interrupt()
    thread.join(LONG_S)
    assert time.monotonic() - start_s < PROMPT_S
    assert complete == [False]


def test_the_sink_speaks_every_label_in_turn(tmp_path: Path, settings: SpeechSettings) -> None:
    before = children()
    sink = speech_sink(settings, labels=["daisy", "roses"])
    made = synthesizer(Path(settings.cache_dir))
    expected = b""
    for label, phrase in (("daisy", "I see a daisy"), ("roses", "I see roses")):
        sink.emit(decision(label))
        sink.emit(decision(None))
        speech, _ = made.wav(phrase)
        expected += samples(speech)
        deadline_s = time.monotonic() + LONG_S
        while not spoken_ends_with(tmp_path / "spoken.wav", samples(speech)):
            assert time.monotonic() < deadline_s
    sink.close()
    silence = 2 * round(player.SILENCE_BETWEEN_S * 22050)
    assert len(samples(tmp_path / "spoken.wav")) == len(expected) + silence
    assert sink.failures == 0
    assert children() == before


def spoken_ends_with(path: Path, speech: bytes) -> bool:
    return path.exists() and samples(path).endswith(speech)


def test_the_sink_goes_on_without_an_engine(
    tmp_path: Path,
    settings: SpeechSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("libespeak-ng.so.1", "libespeak.so.1"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    sink = speech_sink(settings, labels=["daisy", "rose"])
    sink.emit(decision("daisy"))
    deadline_s = time.monotonic() + LONG_S
    while not sink.failures:
        assert time.monotonic() < deadline_s
    for label in ("rose", "daisy", "rose"):
        sink.emit(decision(label))
    sink.close()
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "sudo apt install espeak-ng" in warnings[0]
    assert sink.dropped == 4


@pytest.fixture
def sound_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A PulseAudio with one sink, test_null, that takes sound at the pace of time."""
    if shutil.which("pulseaudio") is None or shutil.which("paplay") is None:
        pytest.skip("SKIPPED PARTLY: no PulseAudio here (apt install pulseaudio pulseaudio-utils)")
    socket = tmp_path / "socket"
    for variable in ("XDG_RUNTIME_DIR", "HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    server = subprocess.Popen(
        [
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--log-level=error",
            f"--load=module-native-protocol-unix socket={socket} auth-anonymous=1",
            "--load=module-null-sink sink_name=test_null",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    monkeypatch.setenv("PULSE_SERVER", f"unix:{socket}")
    try:
        deadline_s = time.monotonic() + LONG_S
        while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode != 0:
            assert server.poll() is None
            assert time.monotonic() < deadline_s
        yield "test_null"
    finally:
        server.kill()
        server.wait()


def test_paplay_plays_in_time_and_is_interrupted(
    sound_server: str, settings: SpeechSettings
) -> None:
    output = open_output("auto")
    assert output.name == "paplay"
    speaker = Speaker(settings, synthesizer=synthesizer(Path(settings.cache_dir)), output=output)
    start_s = time.monotonic()
    whole = speaker.speak("I see a daisy")
    assert not whole.interrupted
    assert time.monotonic() - start_s > 0.9 * whole.duration_s
    timer = threading.Timer(0.3, speaker.interrupt)
    start_s = time.monotonic()
    timer.start()
    cut = speaker.speak("I see a daisy", speaker.interrupt())
    assert cut.interrupted
    assert time.monotonic() - start_s < 0.3 + PROMPT_S
    timer.join()


def test_the_sink_is_busy_for_as_long_as_the_phrase_is_heard(
    sound_server: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    _, duration_s = synthesizer(cache).wav("I see a daisy")
    sink = speech_sink(SpeechSettings(cache_dir=str(cache), output="paplay"))
    start_s = time.monotonic()
    sink.emit(decision("daisy"))
    while sink.busy:
        assert time.monotonic() - start_s < LONG_S
        time.sleep(0.01)
    assert time.monotonic() - start_s > 0.9 * duration_s
    sink.close()
    assert sink.failures == 0
