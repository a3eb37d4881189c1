"""Advice for devices that may not be opened: the right group, for the right kind of caller."""

from __future__ import annotations

import errno
import grp
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from pi_classifier.system import device_access
from pi_classifier.system.device_access import (
    Caller,
    permission_advice,
    this_process,
)
from pi_classifier.system.systemd import service_unit, unit_of

VIDEO = 44
PI = Caller("pi", frozenset({1000}))
SERVICE = Caller("pi-classifier", frozenset({998}), "pi-classifier@front.service")
ROOT_ONLY, GROUP = 0o600, 0o660


class Device:
    """A device node with an owner, a group and a mode, which no test can make without root."""

    def __init__(self, name: str, mode: int, uid: int, gid: int) -> None:
        self._name, self._mode, self._uid, self._gid = name, mode, uid, gid

    def __str__(self) -> str:
        return self._name

    def stat(self) -> os.stat_result:
        kind = stat.S_IFCHR | self._mode
        return os.stat_result((kind, 0, 0, 1, self._uid, self._gid, 0, 0, 0, 0))


def device(mode: int = GROUP, gid: int = VIDEO, name: str = "/dev/video0", uid: int = 0) -> Path:
    return Device(name, mode, uid, gid)  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def _groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The groups of a Debian: video with the member anna, and no number 4711."""
    video = SimpleNamespace(gr_name="video", gr_gid=VIDEO, gr_mem=["anna"])
    by_gid = {VIDEO: video, 65534: SimpleNamespace(gr_name="nogroup", gr_gid=65534, gr_mem=[])}
    monkeypatch.setattr(grp, "getgrgid", by_gid.__getitem__)
    monkeypatch.setattr(grp, "getgrnam", {"video": video}.__getitem__)


def test_a_person_joins_the_group() -> None:
    assert permission_advice(device(), PI) == (
        "add the user pi to the group video: sudo usermod -aG video pi, then log in again"
    )


def test_who_has_just_joined_logs_in_again() -> None:
    anna = Caller("anna", frozenset({1000}))
    assert permission_advice(device(), anna).startswith("log in again: anna is in the group video")


def test_a_service_gets_the_group_in_its_unit() -> None:
    assert permission_advice(device(), SERVICE) == (
        "let the service into the group video: sudo systemctl edit pi-classifier@front.service, "
        "add the lines [Service] and SupplementaryGroups=video, then sudo systemctl restart "
        "pi-classifier@front.service"
    )


def test_a_service_in_the_group_is_kept_out_by_its_sandbox() -> None:
    caller = Caller("x", frozenset({VIDEO}), "pi-classifier.service")
    assert "DeviceAllow=/dev/video0 rw" in permission_advice(device(), caller)
    at_a_prompt = Caller("pi", frozenset({VIDEO}))
    assert "--device /dev/video0" in permission_advice(device(), at_a_prompt)


def test_a_device_for_everybody_is_a_matter_of_the_sandbox() -> None:
    assert "DeviceAllow=/dev/video0 rw" in permission_advice(device(0o666), SERVICE)
    assert "usermod" not in permission_advice(device(0o666), PI)


@pytest.mark.parametrize(
    ("mode", "gid"), [(ROOT_ONLY, VIDEO), (0o640, VIDEO), (GROUP, 0), (GROUP, 4711)]
)
def test_a_device_of_root_alone_is_given_to_a_group(mode: int, gid: int) -> None:
    """Not readable and writable for the group, or a group that nobody can be put into."""
    for caller in (PI, SERVICE):
        advice = permission_advice(device(mode, gid), caller)
        if mode == 0o640:
            assert "sudo chmod g+rw /dev/video0" in advice
        assert advice.startswith("only root may open it")
        assert "sudo chgrp video /dev/video0" in advice


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("/dev/video0", "video"),
        ("/dev/media3", "video"),
        ("/dev/dma_heap/linux,cma", "video"),
        ("/dev/vchiq", "video"),
        ("/dev/snd/pcmC0D0p", "audio"),
        ("/dev/dri/renderD128", "render"),
        ("/dev/dri/card0", "video"),
    ],
)
def test_inside_a_user_namespace_the_usual_group_is_named(name: str, group: str) -> None:
    """PrivateUsers= shows every foreign group as nogroup, also to a process that is in it."""
    caller = Caller("x", frozenset({998, 65534}), "pi-classifier.service")
    advice = permission_advice(device(gid=65534, name=name), caller)
    assert f"SupplementaryGroups={group}," in advice


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    advice = permission_advice(tmp_path / "video7", PI)
    assert advice == f"look at it: ls -l {tmp_path / 'video7'} ({os.strerror(errno.ENOENT)})"


@pytest.mark.parametrize(
    ("line", "unit"),
    [
        ("0::/system.slice/pi-classifier.service", "pi-classifier.service"),
        (
            "0::/system.slice/system-pi\\x2dclassifier.slice/pi-classifier@front.service",
            "pi-classifier@front.service",
        ),
        ("0::/system.slice/pi-classifier.service/sub", "pi-classifier.service"),
        ("1:name=systemd:/system.slice/x.service", "x.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope", ""),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/demo.service", ""),
        ("0::/", ""),
        ("nonsense", ""),
    ],
)
def test_the_unit_of_a_process(line: str, unit: str) -> None:
    assert unit_of([line]) == unit
    assert unit_of(["12:devices:/", line]) == unit


def test_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    found = this_process()
    assert os.getegid() in found.groups
    assert found.user
    assert found.unit == service_unit(os.getpid())
    assert service_unit(2**22 + 1) == ""
    monkeypatch.setattr(device_access, "this_process", lambda: PI)
    assert "usermod -aG video pi" in permission_advice(device())
