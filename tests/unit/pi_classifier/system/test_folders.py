"""Where the cache lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_classifier.errors import ConfigError
from pi_classifier.system.folders import cache_folder


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
