"""Where speech is heard: a player program, or WAV files that collect the phrases."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.speech.child_process import ChildProcess
from pi_classifier.speech.wavfile import SPEECH_FORMAT, append_speech
from pi_classifier.system.files import replacing
from pi_classifier.system.folders import expanded

_logger = logging.getLogger(__name__)

PLAYERS = ("pw-play", "paplay", "aplay")
SILENCE_BETWEEN_S = 0.4

_WAV = "wav:"
_AUTO = "auto"
_PROBE_S = 0.05
_PROBE_LIMIT_S = 3.0
_DEVICE_OPTION = {"pw-play": "--target=", "paplay": "--device=", "aplay": "--device="}
_PACKAGE = {"pw-play": "pipewire-bin", "paplay": "pulseaudio-utils", "aplay": "alsa-utils"}
_SERVER = {"pw-play": "PipeWire", "paplay": "PulseAudio"}
_CARDS = Path("/proc/asound/cards")


class Output(Protocol):
    """Something that makes a WAV file heard.

    `play` returns False when it was interrupted and raises `SinkError` when it
    failed; `interrupt` may be called from any thread.
    """

    @property
    def name(self) -> str: ...

    def play(self, wav: Path, limit_s: float, wanted: Callable[[], bool]) -> bool: ...

    def interrupt(self) -> None: ...


class PlayerOutput:
    """Plays through a program, in a session of its own so that it can be killed at once."""

    def __init__(self, name: str, device: str = "", child: ChildProcess | None = None) -> None:
        self.name = name
        self._device = device
        self._argv = [name]
        if name == "aplay":
            self._argv.append("--quiet")
        if device:
            self._argv.append(f"{_DEVICE_OPTION[name]}{device}")
        self._child = child or ChildProcess()

    def play(self, wav: Path, limit_s: float, wanted: Callable[[], bool] = lambda: True) -> bool:
        """Play the file to its end; the program is killed after `limit_s`."""
        argv = [*self._argv, str(wav)]
        result = self._child.run(argv, limit_s=limit_s, wanted=wanted)
        if result.killed:
            return False
        if result.timed_out:
            raise SinkError(f"{self.name} did not end within {limit_s:.1f} s and was killed")
        if result.returncode != 0:
            raise SinkError(f"{self.name}: {result.stderr_tail.removeprefix(f'{self.name}: ')}")
        return True

    def interrupt(self) -> None:
        """Silence it at once."""
        self._child.kill()

    def probe(self) -> None:
        """Play a moment of silence; raises `SinkError` when that does not work."""
        if shutil.which(self.name) is None:
            raise SinkError(f"{self.name} is not installed (apt package {_PACKAGE[self.name]})")
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            file.write(SPEECH_FORMAT.file(SPEECH_FORMAT.silence(_PROBE_S)))
            file.flush()
            if not self.play(Path(file.name), _PROBE_LIMIT_S):
                raise SinkError(f"{self.name} was interrupted")
        # A dummy plays into nothing and reports success. aplay finds the kernel's cards by
        # itself; where there are none, ALSA's configuration may lead it to the server as well.
        by_server = self.name != "aplay" or not _has_card()
        if by_server and not self._device and _default_is_dummy():
            raise SinkError(f"{self.name}: the sound server has no sound card, only a dummy")


class FolderOutput:
    """Writes each phrase into a WAV file of its own, named by the moment it was said."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = datetime.now) -> None:
        self.name = f"{_WAV}{folder}/"
        self._folder = folder
        self._now = now

    def play(self, wav: Path, limit_s: float, wanted: Callable[[], bool]) -> bool:  # noqa: ARG002
        """Copy the phrase; takes no time, so it is never interrupted."""
        path = self._folder / f"{self._now():%Y-%m-%dT%H-%M-%S.%f}.wav"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(path, durable=False) as part:
                shutil.copyfile(wav, part)
        except OSError as error:
            raise SinkError(f"{self._folder}: cannot write speech: {error.strerror}") from error
        return True

    def interrupt(self) -> None:
        """Do nothing."""


class WavOutput:
    """Appends each phrase to a WAV file, a short silence between them."""

    def __init__(self, path: Path) -> None:
        self.name = f"{_WAV}{path}"
        self._path = path

    def play(self, wav: Path, limit_s: float, wanted: Callable[[], bool]) -> bool:  # noqa: ARG002
        """Append the phrase; takes no time, so it is never interrupted."""
        append_speech(self._path, wav, silence_s=SILENCE_BETWEEN_S)
        return True

    def interrupt(self) -> None:
        """Do nothing."""


def check_output(output: str) -> None:
    """Raise `ConfigError` when `output` is no list of outputs."""
    _names(output)


def open_output(output: str, device: str = "", child: ChildProcess | None = None) -> Output:
    """The first output that works of those named, separated by commas.

    "auto" names all players that have something to play to, and ``wav:FILE`` or
    ``wav:FOLDER/``, which always work, are the last: "auto, wav:spoken.wav" records where
    there is no sound card. Players run in `child`, where the caller can end them while
    they are tried out. Raises `SinkError` when none works, with each one's reason.
    """
    reasons: list[str] = []
    for name, automatic in _expanded(_names(output)):
        if name.startswith(_WAV):
            if reasons:
                _logger.info("speech is recorded in a file: %s", _no_sound(reasons))
            return _recorder(name.removeprefix(_WAV))
        player = PlayerOutput(name, device, child)
        try:
            if automatic:
                check_server(name)
            player.probe()
        except SinkError as error:
            reasons.append(str(error))
        else:
            return player
    raise SinkError(
        f"{_no_sound(reasons)}. Connect a sound card, or record the speech "
        "with --set speech.output=wav:FILE"
    )


def _recorder(path: str) -> Output:
    target = expanded(path)
    return FolderOutput(target) if path.endswith("/") or target.is_dir() else WavOutput(target)


def _expanded(names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The outputs in turn, each with whether "auto" stands for it, not its own name."""
    for name in names:
        if name == _AUTO:
            yield from ((player, True) for player in PLAYERS)
        else:
            yield name, False


def _names(output: str) -> list[str]:
    """The outputs in a setting, one by one; raises `ConfigError`."""
    players, wav, path = output.partition(_WAV)
    names = [name.strip() for name in players.split(",")]
    if wav:
        last = names.pop()  # between the last comma and wav:
        if last or not path:
            raise _unknown(output)
    if not set(names) <= {_AUTO, *PLAYERS}:
        raise _unknown(output)
    return [*names, _WAV + path] if wav else names


def _unknown(output: str) -> ConfigError:
    return ConfigError(
        f"speech.output = {output!r}: expected auto, {', '.join(PLAYERS)}, wav:FILE or "
        'wav:FOLDER/, or several, such as "auto, wav:spoken.wav"'
    )


def _no_sound(reasons: list[str]) -> str:
    return f"no sound{'' if _has_card() else ' card'}: {'; '.join(reasons)}"


def check_server(player: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raise `SinkError` when `player` needs a sound server and this user has none running.

    The sockets are looked for instead of asking the player: a service of the system usually
    has no server, and paplay would try to start one, which may take seconds.
    """
    if player not in _SERVER or _is_server_named(player, environment):
        return
    if not any(socket.exists() for socket in _server_sockets(player, environment)):
        raise SinkError(f"{player}: no {_SERVER[player]} runs for this user")


def _is_server_named(player: str, environment: Mapping[str, str]) -> bool:
    """Whether the user says where the server is; then the player finds it, or fails."""
    variable = "PULSE_SERVER" if player == "paplay" else "PIPEWIRE_REMOTE"
    return bool(environment.get(variable))


def _server_sockets(player: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """Where servers listen: pulseaudio(1), pipewire(1)."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    if player == "paplay":
        own = environment.get("PULSE_RUNTIME_PATH")
        folders = [own, runtime and f"{runtime}/pulse", "/run/pulse"]
        socket = "native"
    else:
        own = environment.get("PIPEWIRE_RUNTIME_DIR")
        folders = [own, runtime, "/run/pipewire"]
        socket = "pipewire-0"
    yield from (Path(folder) / socket for folder in folders if folder)


def _default_is_dummy() -> bool:
    """Whether the sound server plays into nothing, as they all do without a card."""
    argv = ["pactl", "get-default-sink"]
    try:
        check_server("paplay")  # else pactl would start one, and write into the home folder
        done = subprocess.run(argv, capture_output=True, timeout=_PROBE_LIMIT_S, check=False)
    except (SinkError, OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == b"auto_null"


def _has_card() -> bool:
    """Whether the kernel knows a sound card."""
    try:
        return "[" in _CARDS.read_text()
    except OSError:
        return False
