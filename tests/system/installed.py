"""A box in which pi-classifier is installed, and its service to play with."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pi_classifier.config.schema import to_toml

from .box import Box, BoxError
from .journal import Entry, Match

UNIT = "pi-classifier.service"
CONFIGURATION = "/etc/pi-classifier/config.toml"
_DROP_IN = f"/run/systemd/system/{UNIT}.d/50-test.conf"
_START = ("InactiveExit", "ActiveEnter")
# Fast and silent; that the camera fails is noticed within a second.
_USUAL: Mapping[str, Mapping[str, object]] = {
    "camera": {"source": "emulated", "fps": 20.0, "timeout_s": 1.0},
    "speech": {"enabled": False},
}


def box_with_package(root: Path, package: Path) -> Box:
    """A box over a clean Debian that has the package beside it; `install` installs it."""
    return Box(root, bind={package: "/opt/pi-classifier.deb"}, target="basic.target")


def install(box: Box) -> None:
    """Install the package without starting its service."""
    box.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    box.run("dpkg", "--install", "/opt/pi-classifier.deb", timeout_s=120)


def configuration(**sections: Mapping[str, object]) -> str:
    """The text of a configuration: the emulated camera, silence, and what is given here."""
    tables = {name: dict(_USUAL.get(name, {})) for name in (*_USUAL, *sections)}
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        table.update(sections.get(name, {}))
        lines += [f"{key} = {to_toml(value)}" for key, value in table.items()]
    return "\n".join([*lines, ""])


@dataclass
class Service:
    """The installed service in a box, started afresh by every test."""

    box: Box
    unit: str = UNIT
    started_at: str = field(default="")

    def set_up(self, text: str, drop_in: str = "") -> None:
        """Stop it, forget what was, and put these files in place."""
        self.end()
        self.box.write(CONFIGURATION, text)
        if drop_in:
            self.box.write(_DROP_IN, drop_in)
        else:
            self.box.path(_DROP_IN).unlink(missing_ok=True)
        self.box.systemctl("daemon-reload")
        self.started_at = self.box.cursor()

    def start(self, text: str = "", drop_in: str = "") -> None:
        """Start it and wait until it is ready; BoxError when it does not start."""
        self.set_up(text or configuration(), drop_in)
        self.box.systemctl("start", self.unit)

    def begin(self, text: str = "", drop_in: str = "") -> None:
        """Start it without waiting."""
        self.set_up(text or configuration(), drop_in)
        self.box.systemctl("start", "--no-block", self.unit)

    def end(self) -> None:
        """Stop it at once, whatever state it is in."""
        script = (
            f"systemctl kill --signal=KILL {self.unit} 2>/dev/null;"
            f" systemctl stop {self.unit} 2>/dev/null; systemctl reset-failed {self.unit}"
        )
        self.box.run("sh", "-c", script, check=False)

    # What it is doing

    @property
    def state(self) -> str:
        """Such as active, activating, failed."""
        return self.property("ActiveState")

    @property
    def status_text(self) -> str:
        return self.property("StatusText")

    @property
    def main_pid(self) -> int:
        """The number of its main process inside the box."""
        return int(self.property("MainPID"))

    @property
    def restarts(self) -> int:
        return int(self.property("NRestarts"))

    def property(self, name: str) -> str:
        shown = self.box.systemctl("show", "--value", f"--property={name}", self.unit)
        return shown.rstrip("\n")

    def start_s(self) -> float:
        """How long its last start took, from the first moment to READY, in seconds."""
        known = self.box.properties(self.unit)
        began, ready = (known[f"{each}TimestampMonotonic"] for each in _START)
        return (int(ready) - int(began)) / 1e6

    def pids_now(self) -> tuple[int, ...]:
        """Its processes, by their numbers on this machine; quick, for looking often."""
        group = self.box.path(f"/sys/fs/cgroup/system.slice/{self.unit}/cgroup.procs")
        try:
            return tuple(int(pid) for pid in group.read_text().split())
        except OSError:  # it has none, or has just ended
            return ()

    def kill(self, signal: str) -> None:
        """Send its main process a signal."""
        self.box.systemctl("kill", "--kill-who=main", f"--signal={signal}", self.unit)

    def wait_for_state(self, state: str, timeout_s: float = 15.0) -> None:
        """Wait until it is active, failed, …"""
        self.box.wait_for_property(self.unit, "ActiveState", lambda each: each == state, timeout_s)

    def wait_for_status(self, words: str, timeout_s: float = 15.0) -> str:
        """Wait until the status says this; returns all of it."""
        return self.box.wait_for_property(
            self.unit, "StatusText", lambda text: words in text, timeout_s
        )

    def wait_until(self, reached: Callable[[], bool], timeout_s: float = 15.0) -> None:
        """Wait for what no journal tells."""
        deadline_s = time.monotonic() + timeout_s
        while not reached():
            if time.monotonic() > deadline_s:
                shown = self.box.systemctl("status", self.unit, check=False)
                raise BoxError(f"did not come within {timeout_s:g} s\n{shown}")
            time.sleep(0.03)

    # What the journal has of it, since it was started

    def entries(self, match: Match | None = None) -> list[Entry]:
        """Its own entries and systemd's about it, those that are as `match` says."""
        wanted = match or {}
        return [
            entry
            for entry in self.box.journal(wanted, after=self.started_at)
            if self.unit in {entry.get("_SYSTEMD_UNIT"), entry.get("UNIT")}
        ]

    def wait_for(self, match: Match, timeout_s: float = 15.0) -> Entry:
        """The first such entry since the start."""
        return self.box.wait_for_entry(match, timeout_s, after=self.started_at)

    def says(self, words: str, timeout_s: float = 15.0) -> Entry:
        """The first entry since the start whose message holds these words."""
        return self.wait_for(lambda entry: words in entry.get("MESSAGE", ""), timeout_s)


def permissions(path: Path) -> str:
    """Mode and numbers of owner and group, such as ``750 998 998``."""
    status = path.stat()
    return f"{stat.S_IMODE(status.st_mode):o} {status.st_uid} {status.st_gid}"
