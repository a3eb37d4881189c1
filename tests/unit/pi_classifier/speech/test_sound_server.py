"""Which sound servers there are, without asking one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.speech.sound_server import check_server


def test_without_a_server_players_of_servers_are_not_tried() -> None:
    for player, server in (("pw-play", "PipeWire"), ("paplay", "PulseAudio")):
        with pytest.raises(SinkError, match=f"{player}: no {server} runs for this user"):
            check_server(player, {"XDG_RUNTIME_DIR": "/nonexistent"})
    check_server("aplay", {})


@pytest.mark.parametrize(
    ("player", "variable", "socket"),
    [
        ("paplay", "XDG_RUNTIME_DIR", "pulse/native"),
        ("paplay", "PULSE_RUNTIME_PATH", "native"),
        ("pw-play", "XDG_RUNTIME_DIR", "pipewire-0"),
        ("pw-play", "PIPEWIRE_RUNTIME_DIR", "pipewire-0"),
    ],
)
def test_a_server_is_known_by_its_socket(
    tmp_path: Path, player: str, variable: str, socket: str
) -> None:
    with pytest.raises(SinkError):
        check_server(player, {variable: str(tmp_path)})
    path = tmp_path / socket
    path.parent.mkdir(exist_ok=True)
    path.touch()
    check_server(player, {variable: str(tmp_path)})


@pytest.mark.parametrize(
    ("player", "variable"), [("paplay", "PULSE_SERVER"), ("pw-play", "PIPEWIRE_REMOTE")]
)
def test_a_server_the_user_names_is_tried(player: str, variable: str) -> None:
    check_server(player, {variable: "tcp:kitchen"})
    with pytest.raises(SinkError):
        check_server(player, {variable: "", "XDG_RUNTIME_DIR": "/nonexistent"})
