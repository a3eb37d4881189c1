"""Where the program keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

from pi_classifier.errors import ConfigError


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
