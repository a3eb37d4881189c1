"""The folders of users and of the service."""

from __future__ import annotations

import os
from pathlib import Path

from pi_classifier.errors import ConfigError


def expanded(path: str | Path) -> Path:
    """The path with the home folder it begins with (``~`` or ``~user``) written out.

    Raises `ConfigError` where nobody has such a home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{path}: there is no such home folder here; write the whole path, from / on"
        ) from error


def cache_folder() -> Path:
    """The cache folder that systemd gave a service, else the user's own (XDG Base Directory).

    Raises `ConfigError` for a user who has none.
    """
    service = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
    if service:
        return Path(service)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser() / "pi-classifier"
    except RuntimeError as error:
        raise ConfigError(
            "this user has no home folder to keep a cache in; set the environment variable "
            "HOME, or model.cache_dir and speech.cache_dir"
        ) from error
