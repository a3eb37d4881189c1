"""The section [run]: how long the program runs, and how much it logs."""

from __future__ import annotations

from dataclasses import dataclass

from pi_classifier.setting import setting


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How long it runs (without limits until it is stopped), and how much it logs."""

    frames: int | None = setting(None, "end after so many frames", minimum=1)
    duration_s: float | None = setting(
        None, "end after so many seconds of frames", minimum=0.0, option="--duration", metavar="S"
    )
    log_level: str = setting(
        "info",
        "how much is logged: info on change, debug every frame",
        choices=("debug", "info", "warning", "error"),
    )
    state_dir: str = setting(
        "",
        "the folder that only one copy of the program may use at a time; as a service the one "
        "that systemd gives it (STATE_DIRECTORY), otherwise none",
    )
