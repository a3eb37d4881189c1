"""Who may open a device, and what to do for whoever may not."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.system.systemd import service_unit

# Inside a user namespace (PrivateUsers=) every foreign group is shown as this one.
_OVERFLOW_GID = 65534
_GROUP_READS_AND_WRITES = stat.S_IRGRP | stat.S_IWGRP
_ALL_READ_AND_WRITE = stat.S_IROTH | stat.S_IWOTH
# The groups of Debian's and Raspberry Pi OS's udev rules.
_USUAL_GROUPS = (
    (re.compile(r"/dev/(video|media|v4l-subdev|vchiq|vcsm|dma_heap/|cec)"), "video"),
    (re.compile(r"/dev/snd/"), "audio"),
    (re.compile(r"/dev/dri/render"), "render"),
    (re.compile(r"/dev/dri/"), "video"),
    (re.compile(r"/dev/(i2c-)"), "i2c"),
    (re.compile(r"/dev/(gpio)"), "gpio"),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who wants to open a device: the user, the groups of the process, its systemd unit.

    `unit` is "" for a program that somebody started at a prompt or in their own session.
    """

    user: str
    groups: frozenset[int]
    unit: str = ""


def permission_advice(path: Path, caller: Caller | None = None) -> str:
    """What to do so that this program may open `path`, as one sentence without an end.

    For the user pi: ``add the user pi to the group video: sudo usermod -aG video pi,
    then log in again``. For a service: the line its unit needs.
    """
    caller = this_process() if caller is None else caller
    try:
        status = path.stat()
    except OSError as error:
        return f"look at it: ls -l {path} ({error.strerror})"
    if status.st_mode & _ALL_READ_AND_WRITE == _ALL_READ_AND_WRITE:
        return _though_permitted(path, "everybody is permitted", caller)
    group = _group_name(path, status.st_gid)
    if status.st_mode & _GROUP_READS_AND_WRITES != _GROUP_READS_AND_WRITES or group is None:
        return _to_a_group(path, status)
    if status.st_gid in caller.groups and status.st_gid != _OVERFLOW_GID:
        return _though_permitted(path, f"the group {group} is right", caller)
    return _into_the_group(group, caller)


def _into_the_group(group: str, caller: Caller) -> str:
    if caller.unit:
        return (
            f"let the service into the group {group}: sudo systemctl edit {caller.unit}, add the "
            f"lines [Service] and SupplementaryGroups={group}, then sudo systemctl restart "
            f"{caller.unit}"
        )
    if _is_member(caller.user, group):
        return f"log in again: {caller.user} is in the group {group}, but was not at this log-in"
    return (
        f"add the user {caller.user} to the group {group}: sudo usermod -aG {group} "
        f"{caller.user}, then log in again"
    )


def this_process() -> Caller:
    """Who this process is."""
    groups = frozenset({os.getegid(), *os.getgroups()})
    return Caller(_user_name(os.geteuid()), groups, service_unit())


def _to_a_group(path: Path, status: os.stat_result) -> str:
    owner = _user_name(status.st_uid)
    return (
        f"only {owner} may open it; until the next start of the computer, give it to the group "
        f"{_usual_group(path) or 'video'}: sudo chgrp {_usual_group(path) or 'video'} {path}, "
        f"then sudo chmod g+rw {path}"
    )


def _though_permitted(path: Path, why: str, caller: Caller) -> str:
    if caller.unit:
        return (
            f"{why}, so the unit's sandbox keeps it out: sudo systemctl edit {caller.unit}, add "
            f"the lines [Service] and DeviceAllow={path} rw, then sudo systemctl restart "
            f"{caller.unit}"
        )
    return f"{why}; in a container, pass it in: --device {path}"


def _group_name(path: Path, gid: int) -> str | None:
    """The group's name; None for root's and for one without a name."""
    if gid == 0:
        return None
    usual = _usual_group(path) if gid == _OVERFLOW_GID else None
    if usual is not None:
        return usual
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None


def _usual_group(path: Path) -> str | None:
    for pattern, group in _USUAL_GROUPS:
        if pattern.match(str(path)):
            return group
    return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_member(user: str, group: str) -> bool:
    try:
        return user in grp.getgrnam(group).gr_mem
    except KeyError:
        return False
