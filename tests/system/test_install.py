"""systemd/install.sh in a clean Debian: installs, upgrades, takes away, refuses."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .box import Box
from .installed import CONFIGURATION, UNIT, configuration
from .packages import built_package
from .roots import ROOT

CLONE = "/opt/a clone"
EMULATED = configuration()
# pip finds there what it would fetch: boxes have no network.
WHEELS = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/opt/wheels"}


@pytest.fixture(scope="module")
def box(bookworm_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A clean Debian with a clone of the project, in a path with a space."""
    clone = tmp_path_factory.mktemp("clone")
    clone.chmod(0o755)
    for name in ("pi_classifier", "models", "systemd"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    built_package("amd64", "3.11")  # has fetched the wheels
    wheels = ROOT / "build" / "package" / "wheels"
    with Box(bookworm_root, bind={clone: CLONE, wheels: "/opt/wheels"}) as booted:
        yield booted


def script(
    box: Box, *words: str, wheels: bool = True, check: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = [f"{name}={value}" for name, value in WHEELS.items()] if wheels else []
    command = ["env", *environment, f"{CLONE}/systemd/install.sh", *words]
    return box.run(*command, check=check, timeout_s=120)


def files(box: Box) -> set[str]:
    places = ("/etc", "/opt", "/usr", "/var/lib", "/var/cache", "/home", "/root")
    found = box.run("find", *places, "-xdev", "-iname", "*pi?classifier*").stdout.splitlines()
    return {path for path in found if not path.startswith(("/opt/a clone", "/opt/wheels"))}


def test_installs_upgrades_fails_well_and_goes(box: Box) -> None:
    assert files(box) == set()
    said = script(box).stdout
    assert "Installed. What it sees: systemctl status pi-classifier" in said
    assert box.systemctl("is-enabled", UNIT).strip() == "enabled"
    box.wait_for_property(UNIT, "StatusText", lambda text: "camera" in text, 20)
    box.write(CONFIGURATION, EMULATED)
    box.systemctl("restart", UNIT)
    assert box.properties(UNIT)["ActiveState"] == "active"
    # What a user's commands keep in that user's home folder is not the installation's.
    found = box.run("env", "HOME=/tmp", "/usr/local/bin/pi-classifier", "models").stdout
    assert "flowers" in found
    explained = box.run("journalctl", "--catalog", f"--unit={UNIT}", "--no-pager").stdout
    assert "Defined-By: pi-classifier" in explained

    before = box.properties(UNIT)["MainPID"]
    assert "Brought up to date" in script(box).stdout
    box.wait_for_property(UNIT, "MainPID", lambda pid: pid not in {before, "0"}, 30)
    box.wait_for_property(UNIT, "ActiveState", lambda state: state == "active", 30)
    assert box.path(CONFIGURATION).read_text() == EMULATED
    assert [each.name for each in box.path("/opt/pi-classifier").iterdir() if "env" in each.name]
    assert not box.path("/opt/pi-classifier/environment.old").exists()

    # without a network an upgrade fails, and what runs goes on
    before = box.properties(UNIT)["MainPID"]
    failed = script(box, wheels=False, check=False)
    assert failed.returncode == 1
    assert "is this computer online?" in failed.stdout.splitlines()[-1]
    assert box.properties(UNIT)["MainPID"] == before
    assert box.run("/usr/local/bin/pi-classifier", "--version").stdout.startswith("pi-classifier")

    script(box, "--uninstall")
    assert box.properties(UNIT)["LoadState"] == "not-found"
    kept = {"/etc/pi-classifier", "/var/lib/pi-classifier", "/var/cache/pi-classifier"}
    assert files(box) - {f"/etc/systemd/system/multi-user.target.wants/{UNIT}"} == kept
    script(box, "--purge")
    assert files(box) == set()


@pytest.mark.parametrize(
    ("prefix", "words", "complaint"),
    [
        ((), ("--everything",), "'--everything' is not understood; usage: sudo"),
        (("setpriv", "--reuid=1", "--regid=1", "--clear-groups"), (), "must run as root: sudo"),
        (("env", "PATH=/usr/local/bin"), (), "there is no systemd here"),
        (("env", "PATH=/opt/old:/usr/bin:/bin"), (), "processor 'mips' is not supported"),
    ],
)
def test_refuses_in_one_line(
    box: Box, prefix: tuple[str, ...], words: tuple[str, ...], complaint: str
) -> None:
    box.write("/opt/old/dpkg", "#!/bin/sh\necho mips\n", 0o755)
    for each in ("bash", "dirname", "id", "env"):
        box.run("ln", "-sf", f"/usr/bin/{each}", f"/usr/local/bin/{each}")
    refused = box.run(*prefix, f"{CLONE}/systemd/install.sh", *words, check=False)
    assert refused.returncode == 1
    assert complaint in refused.stdout
    assert len(refused.stdout.splitlines()) == 1


def test_refuses_beside_the_debian_package(box: Box) -> None:
    box.write("/opt/old/dpkg-query", "#!/bin/sh\necho install ok installed\n", 0o755)
    environment = ("env", "PATH=/opt/old:/usr/bin:/bin")
    refused = box.run(*environment, f"{CLONE}/systemd/install.sh", check=False)
    assert refused.returncode == 1
    assert "remove it first: sudo apt remove pi-classifier" in refused.stdout
