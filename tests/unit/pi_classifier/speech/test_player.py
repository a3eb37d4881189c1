"""Players and their absence, with shell scripts in their place."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.speech import player
from pi_classifier.speech.child_process import ChildProcess
from pi_classifier.speech.player import (
    PlayerOutput,
    WavOutput,
    check_output,
    check_server,
    open_output,
)

LONG_S = 10.0
PROMPT_S = 0.2


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for variable in ("PULSE_SERVER", "PIPEWIRE_REMOTE"):
        monkeypatch.setenv(variable, str(tmp_path / "socket"))
    return folder


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def cards(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text)
    monkeypatch.setattr(player, "_CARDS", path)


def yes() -> bool:
    return True


@pytest.mark.parametrize(
    "output", ["auto", "pw-play", "paplay,aplay", "wav:x", "wav:/a/b.wav", "auto,wav:x"]
)
def test_outputs_by_name(output: str) -> None:
    check_output(output)
    if output.startswith("wav:"):
        assert open_output(output).name == output


def test_a_file_when_there_is_no_card(
    programs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fallback = f"auto, wav:{tmp_path}/a, b.wav"
    assert open_output(fallback).name == f"wav:{tmp_path}/a, b.wav"
    assert "aplay is not installed" in caplog.text
    program(programs, "aplay", "exit 0")
    assert open_output(fallback).name == "aplay"
    assert open_output(f"paplay,wav:{tmp_path}/x.wav").name.startswith("wav:")


@pytest.mark.parametrize(
    "output", ["", ",", "wav", "wav:", "auto,", "auto wav:x", "auto, wav:", "mplayer", "aplay,x"]
)
def test_unknown_output(output: str) -> None:
    with pytest.raises(ConfigError, match=r"expected auto, pw-play, paplay, aplay, wav:FILE or"):
        check_output(output)


def test_auto_takes_the_first_that_works(programs: Path) -> None:
    program(programs, "pw-play", "echo 'error: Host is down' >&2; exit 1")
    program(programs, "paplay", "exit 0")
    program(programs, "aplay", "exit 0")
    assert open_output("auto").name == "paplay"
    assert open_output("aplay").name == "aplay"


def test_nothing_installed_says_what_to_install(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards(tmp_path / "cards", "--- no soundcards ---\n", monkeypatch)
    with pytest.raises(SinkError) as error:
        open_output("auto")
    text = str(error.value)
    assert text.startswith("no sound card: pw-play is not installed (apt package pipewire-bin); ")
    assert "aplay is not installed (apt package alsa-utils)" in text
    assert "--set speech.output=wav:FILE" in text
    assert "\n" not in text


def test_a_card_that_is_there_is_not_called_missing(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards(tmp_path / "cards", " 0 [Headphones     ]: bcm2835_headpho\n", monkeypatch)
    program(
        programs, "aplay", "echo 'aplay: audio open error: Device or resource busy' >&2; exit 1"
    )
    with pytest.raises(SinkError, match="no sound: aplay: audio open error: Device or resource"):
        open_output("aplay")


def test_a_sound_server_without_a_card_is_no_sound(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards(tmp_path / "cards", "--- no soundcards ---\n", monkeypatch)
    for name in player.PLAYERS:
        program(programs, name, "exit 0")
    program(programs, "pactl", "echo auto_null")
    with pytest.raises(SinkError, match=r"no sound card: .*only a dummy"):
        open_output("auto")
    assert open_output("paplay", device="bluetooth").name == "paplay"
    cards(tmp_path / "cards", " 0 [USB            ]: USB-Audio\n", monkeypatch)
    assert open_output("auto").name == "aplay"
    program(programs, "pactl", "echo alsa_output.usb")
    assert open_output("auto").name == "pw-play"


@pytest.mark.parametrize(
    ("name", "device", "arguments"),
    [
        ("aplay", "", "--quiet FILE"),
        ("aplay", "plughw:1", "--quiet --device=plughw:1 FILE"),
        ("paplay", "usb", "--device=usb FILE"),
        ("pw-play", "usb", "--target=usb FILE"),
        ("pw-play", "", "FILE"),
    ],
)
def test_arguments(programs: Path, tmp_path: Path, name: str, device: str, arguments: str) -> None:
    program(programs, name, f'echo "$*" > {tmp_path}/arguments')
    wav = tmp_path / "x.wav"
    assert PlayerOutput(name, device).play(wav, LONG_S)
    expected = arguments.replace("FILE", str(wav))
    assert (tmp_path / "arguments").read_text() == f"{expected}\n"


def test_failing_player_is_an_error(programs: Path, tmp_path: Path) -> None:
    program(programs, "aplay", "exit 1")
    with pytest.raises(SinkError, match="aplay: exit status 1"):
        PlayerOutput("aplay").play(tmp_path / "x.wav", LONG_S)


def test_hung_player_is_killed_at_the_limit(programs: Path, tmp_path: Path) -> None:
    program(programs, "aplay", "exec /bin/sleep 60")
    start_s = time.monotonic()
    with pytest.raises(SinkError, match=r"aplay did not end within 0\.1 s and was killed"):
        PlayerOutput("aplay").play(tmp_path / "x.wav", 0.1)
    assert time.monotonic() - start_s < 0.1 + PROMPT_S


def test_hung_player_does_not_stop_auto(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "_PROBE_LIMIT_S", 0.1)
    program(programs, "pw-play", "exec /bin/sleep 60")
    program(programs, "aplay", "exit 0")
    assert open_output("auto").name == "aplay"


def test_interrupt_ends_it_within_200_ms(programs: Path, tmp_path: Path) -> None:
    program(programs, "aplay", f": > {tmp_path}/started; exec /bin/sleep 60")
    output = PlayerOutput("aplay")
    complete = []
    thread = threading.Thread(
        target=lambda: complete.append(output.play(tmp_path / "x.wav", LONG_S))
    )
    thread.start()
    while not (tmp_path / "started").exists():
        pass
    start_s = time.monotonic()
    output.interrupt()
    thread.join(LONG_S)
    assert time.monotonic() - start_s < PROMPT_S
    assert complete == [False]


def test_trying_out_ends_when_its_process_is_closed(programs: Path) -> None:
    program(programs, "aplay", "exit 0")
    child = ChildProcess()
    child.close()
    with pytest.raises(SinkError, match="aplay was interrupted"):
        open_output("aplay", child=child)


def test_wav_output_is_never_interrupted(tmp_path: Path) -> None:
    output = WavOutput(tmp_path / "spoken.wav")
    output.interrupt()
    with pytest.raises(SinkError, match="not a complete"):
        output.play(tmp_path / "missing.wav", LONG_S, yes)


def test_without_a_server_players_of_servers_are_not_tried() -> None:
    for name, server in (("pw-play", "PipeWire"), ("paplay", "PulseAudio")):
        with pytest.raises(SinkError, match=f"{name}: no {server} runs for this user"):
            check_server(name, {"XDG_RUNTIME_DIR": "/nonexistent"})
    check_server("aplay", {})


@pytest.mark.parametrize(
    ("name", "variable", "socket"),
    [
        ("paplay", "XDG_RUNTIME_DIR", "pulse/native"),
        ("paplay", "PULSE_RUNTIME_PATH", "native"),
        ("pw-play", "XDG_RUNTIME_DIR", "pipewire-0"),
        ("pw-play", "PIPEWIRE_RUNTIME_DIR", "pipewire-0"),
    ],
)
def test_a_server_is_known_by_its_socket(
    tmp_path: Path, name: str, variable: str, socket: str
) -> None:
    with pytest.raises(SinkError):
        check_server(name, {variable: str(tmp_path)})
    path = tmp_path / socket
    path.parent.mkdir(exist_ok=True)
    path.touch()
    check_server(name, {variable: str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "variable"), [("paplay", "PULSE_SERVER"), ("pw-play", "PIPEWIRE_REMOTE")]
)
def test_a_server_the_user_names_is_tried(name: str, variable: str) -> None:
    check_server(name, {variable: "tcp:kitchen"})
    with pytest.raises(SinkError):
        check_server(name, {variable: "", "XDG_RUNTIME_DIR": "/nonexistent"})
