"""Where the cache lies, and home folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings, camera_opener
from pi_classifier.errors import ConfigError
from pi_classifier.inference.settings import ModelSettings, cache_dir_of
from pi_classifier.modelfile.encryption import find_key
from pi_classifier.service.state_lock import state_folder
from pi_classifier.sinks.jsonl import JsonlSettings, jsonl_sink
from pi_classifier.speech.player import open_output
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import make_synthesizer
from pi_classifier.system.folders import cache_folder, expanded


def test_the_cache_of_a_service_and_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/pi-classifier:/other")
    assert cache_folder() == Path("/var/cache/pi-classifier")
    monkeypatch.delenv("CACHE_DIRECTORY")
    monkeypatch.setenv("XDG_CACHE_HOME", "/srv/cache")
    assert cache_folder() == Path("/srv/cache/pi-classifier")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert cache_folder() == Path("/home/ada/.cache/pi-classifier")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(ConfigError, match=r"HOME, or model\.cache_dir"):
        cache_folder()


def test_a_home_folder_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert expanded("~/x") == Path("/home/ada/x")
    assert expanded("x/~") == Path("x/~")
    with pytest.raises(ConfigError, match="~nobody-here/x: there is no such home folder"):
        expanded("~nobody-here/x")


@pytest.mark.parametrize(
    "use",
    [
        lambda path: cache_dir_of(ModelSettings(cache_dir=path)),
        state_folder,
        lambda path: jsonl_sink(JsonlSettings(path=path)),
        lambda path: make_synthesizer(SpeechSettings(cache_dir=path)),
        lambda path: open_output(f"wav:{path}"),
        lambda path: camera_opener(CameraSettings(source=f"replay:{path}")),
        lambda path: camera_opener(CameraSettings(source=f"imx500:{path}")),
        find_key,
    ],
)
def test_a_setting_that_names_a_home_folder_nobody_has_is_no_fault_of_ours(
    use: Callable[[str], object],
) -> None:
    with pytest.raises(ConfigError, match="there is no such home folder here"):
        use("~nobody-here/x")
