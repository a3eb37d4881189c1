"""Which sound servers there are for this user, found out without starting one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pi_classifier.errors import SinkError

_SERVER = {"pw-play": "PipeWire", "paplay": "PulseAudio"}


def check_server(player: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raise `SinkError` when `player` needs a sound server and this user has none.

    A service of the system usually has none. Asked without looking first, paplay would
    start one in vain, and may take seconds for it.
    """
    if player not in _SERVER or _named(player, environment):
        return
    if not any(socket.exists() for socket in _sockets(player, environment)):
        raise SinkError(f"{player}: no {_SERVER[player]} runs for this user")


def _named(player: str, environment: Mapping[str, str]) -> bool:
    """Whether the user says where the server is; then the player finds it, or fails."""
    variable = "PULSE_SERVER" if player == "paplay" else "PIPEWIRE_REMOTE"
    return bool(environment.get(variable))


def _sockets(player: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Where servers listen: pulseaudio(1), pipewire(1)."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    if player == "paplay":
        own = environment.get("PULSE_RUNTIME_PATH")
        places = [own, runtime and f"{runtime}/pulse", "/run/pulse"]
        socket = "native"
    else:
        own = environment.get("PIPEWIRE_RUNTIME_DIR")
        places = [own, runtime, "/run/pipewire"]
        socket = "pipewire-0"
    yield from (Path(place) / socket for place in places if place)
