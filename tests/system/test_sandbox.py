"""The unit's own sandbox, seen from inside: a probe takes the program's place in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pi_classifier.logs.events import Event
from pi_classifier.modelfile.encryption import encrypt_model, write_new_key

from .box import Box
from .installed import UNIT, Service, configuration, permissions
from .roots import ROOT

PROBE = Path(__file__).with_name("probe.py")
IN_ITS_PLACE = """\
[Service]
Type=oneshot
Restart=no
ExecStart=
ExecStart=/usr/bin/python3 -I /opt/probe.py {folders} {devices}
"""
OWN = ("/var/lib/pi-classifier", "/var/cache/pi-classifier", "/run/pi-classifier", "/tmp")  # noqa: S108
OTHERS = (
    *("/", "/etc", "/etc/pi-classifier", "/usr", "/usr/lib", "/home", "/root"),
    *("/var", "/var/lib", "/var/log", "/boot", "/opt", "/run"),
)
# Numbers of char devices: majors the kernel gives here, as it names them in /proc/devices.
ALLOWED = {
    "/dev/video0": ("video", 81),
    "/dev/v4l-subdev0": ("video", 81),
    "/dev/media0": ("video", 239),
    "/dev/dma_heap/system": ("video", 240),
    "/dev/snd/pcmC0D0p": ("audio", 116),
}
NAMES = {81: "video4linux", 239: "media", 240: "dma_heap", 116: "alsa"}
# a disk, a serial port, a keyboard and the kernel's memory; files that anybody may open
REFUSED = {"/dev/sdx": 8, "/dev/ttyAMA9": 204, "/dev/input9": 13, "/dev/mem9": 1}
NO_DRIVER = {"ENXIO", "ENODEV"}  # the device was let through; there is none here


@pytest.fixture(scope="module")
def devices(box: Box) -> Iterator[None]:
    """Device files as a Pi has them, and the kernel's word for what they are."""
    for path, (group, major) in ALLOWED.items():
        make_node(box, path, major)
        box.run("chown", f"root:{group}", path)
        box.run("chmod", "660", path)
    for path, major in REFUSED.items():
        make_node(box, path, major)
        box.run("chmod", "666", path)
    lines = Path("/proc/devices").read_text().splitlines()
    block = lines.index("Block devices:")
    known = [line for line in lines[1:block] if line and int(line.split()[0]) not in NAMES]
    added = [f"{major:3d} {name}" for major, name in NAMES.items()]
    box.write("/run/devices", "\n".join([lines[0], *known, *added, "", *lines[block:], ""]))
    box.run("mount", "--bind", "/run/devices", "/proc/devices")
    yield
    box.run("umount", "/proc/devices")


def make_node(box: Box, path: str, major: int) -> None:
    box.run("mkdir", "-p", str(Path(path).parent))
    box.run("mknod", path, "c", str(major), "200")


def probed(service: Service, extra: str = "") -> dict[str, Any]:
    """What the probe found."""
    box = service.box
    box.write("/opt/probe.py", PROBE.read_text())
    place = IN_ITS_PLACE.format(
        folders=",".join((*OWN, *OTHERS)), devices=",".join((*ALLOWED, *REFUSED))
    )
    service.set_up(configuration(), place + extra)
    box.systemctl("start", UNIT)
    entry = service.wait_for(lambda each: each.get("MESSAGE", "").startswith("{"))
    found = json.loads(entry["MESSAGE"])
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def found(box: Box, devices: None) -> dict[str, Any]:
    return probed(Service(box))


def test_it_is_a_user_of_its_own_in_its_own_folder(found: dict[str, Any], box: Box) -> None:
    assert found["user"] == int(box.run("id", "-u", "pi-classifier").stdout) != 0
    assert found["folder"] == "/var/lib/pi-classifier"
    assert permissions(box.path("/var/lib/pi-classifier")).startswith("750 ")
    assert permissions(box.path("/var/cache/pi-classifier")).startswith("750 ")


@pytest.mark.parametrize("folder", OWN)
def test_its_own_folders_can_be_written(found: dict[str, Any], folder: str) -> None:
    assert found["write"][folder] == "yes"


@pytest.mark.parametrize("folder", OTHERS)
def test_nothing_else_can_be_written(found: dict[str, Any], folder: str) -> None:
    # EACCES would mean that only the file's mode is in the way
    expected = {"EACCES", "ENOENT"} if folder in {"/home", "/root", "/run"} else {"EROFS"}
    assert found["write"][folder] in expected


def test_homes_are_out_of_sight(found: dict[str, Any]) -> None:
    assert found["list /home"] == "EACCES"
    assert found["see process 1"] == "ENOENT"


def test_there_is_no_network(found: dict[str, Any]) -> None:
    assert found["interfaces"] == ["lo"]
    for refused in ("AF_INET", "AF_INET6", "AF_PACKET", "loopback"):
        assert found[refused] == "EAFNOSUPPORT", refused
    for needed in ("AF_UNIX", "AF_NETLINK"):
        assert found[needed] == "yes", needed


def test_there_are_no_privileges_nor_ways_to_get_any(found: dict[str, Any]) -> None:
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"
    assert found["capabilities"] is True
    for refused in ("set-user-id", "new namespace", "mount", "real time"):
        assert found[refused] == "EPERM", refused


def test_memory_is_written_or_executed_and_voices_still_speak(found: dict[str, Any]) -> None:
    assert found["write and execute"] == "EPERM"
    for needed in ("callback", "speak", "lower priority"):
        assert found[needed] == "yes", needed


def test_the_processor_can_be_looked_up(found: dict[str, Any]) -> None:
    assert found["cpuinfo"] is True


@pytest.mark.parametrize("device", ALLOWED)
def test_cameras_and_sound_are_let_through(found: dict[str, Any], device: str) -> None:
    assert found["open"][device] in NO_DRIVER


@pytest.mark.parametrize("device", REFUSED)
def test_other_devices_are_refused(found: dict[str, Any], device: str) -> None:
    assert found["open"][device] == "EPERM"


def test_a_device_of_a_group_it_is_not_in_stays_shut(box: Box, found: dict[str, Any]) -> None:
    assert found["open"]["/dev/video0"] in NO_DRIVER
    box.run("chown", "root:root", "/dev/video0")
    try:
        assert probed(Service(box))["open"]["/dev/video0"] == "EACCES"
    finally:
        box.run("chown", "root:video", "/dev/video0")


def test_the_advice_for_a_device_that_may_not_be_opened_helps(
    box: Box, found: dict[str, Any]
) -> None:
    box.run("gpasswd", "--delete", "pi-classifier", "video")
    try:
        shut = probed(Service(box))
        assert shut["open"]["/dev/video0"] == "EACCES"
        assert (
            f"let the service into the group video: sudo systemctl edit {UNIT}" in shut["advice"]
        )
        advised = "SupplementaryGroups=video"
        assert advised in shut["advice"]
        assert probed(Service(box), advised)["open"]["/dev/video0"] in NO_DRIVER
    finally:
        box.run("gpasswd", "--add", "pi-classifier", "video")


def test_a_password_comes_as_a_credential_and_need_not_exist(
    box: Box, found: dict[str, Any]
) -> None:
    assert found["password"] in {"no folder", "missing"}
    stored = "/etc/credstore/pi-classifier.camera-password"
    box.write(stored, "tulip", 0o600)
    try:
        assert probed(Service(box))["password"] == "tulip"  # noqa: S105
    finally:
        box.path(stored).unlink()


def test_the_network_drop_in_opens_the_network_and_nothing_else(
    box: Box, found: dict[str, Any]
) -> None:
    example = box.path("/usr/share/pi-classifier/examples/network.conf").read_text()
    opened = probed(Service(box), example)
    for needed in ("AF_INET", "AF_INET6", "loopback"):
        assert opened[needed] == "yes", needed
    changed = {name for name in found if opened[name] != found[name]}
    assert changed <= {"AF_INET", "AF_INET6", "loopback", "interfaces"}


def test_the_model_takes_the_fast_way_inside(service: Service) -> None:
    """XNNPACK packs weights into the cache only where it recognizes the processor."""
    cache = service.box.path("/var/cache/pi-classifier")
    for path in cache.glob("*.weights*"):
        path.unlink()
    service.start()
    weights = list(cache.glob("*.weights"))
    assert len(weights) == 2
    assert all(path.stat().st_size > 100_000 for path in weights)
    (pid,) = service.box.processes(UNIT)
    mapped = Path(f"/proc/{pid}/maps").read_text()
    assert all(path.name in mapped for path in weights)


def test_an_encrypted_model_runs_inside_with_its_key_as_a_credential(
    service: Service, tmp_path: Path
) -> None:
    box, place = service.box, "/var/lib/pi-classifier/models/secret.tflite.enc"
    key = write_new_key(tmp_path / "key")
    content = (ROOT / "models/flowers/fast.tflite").read_bytes()
    box.write(place, encrypt_model(content, key))
    stored = "/etc/credstore/pi-classifier.model-key"
    box.write(stored, (tmp_path / "key").read_bytes(), 0o600)
    text = configuration(model={"path": place})
    service.start(text)
    (pid,) = box.processes(UNIT)
    assert "/memfd:model" in Path(f"/proc/{pid}/maps").read_text()
    # No core dump, and none of its user's programs looks into its memory: it is root's in /proc.
    assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
    box.systemctl("reload", UNIT)
    service.wait_for({"MESSAGE_ID": Event.RELOADED.value})

    # The key encrypted, too, by the drop-in that comes with the package
    box.run("mkdir", "-p", "/etc/credstore.encrypted")
    encrypted = stored.replace("credstore", "credstore.encrypted")
    box.run("systemd-creds", "encrypt", "--name=model-key", stored, encrypted)
    box.path(stored).unlink()
    example = box.path("/usr/share/pi-classifier/examples/encrypted-model.conf").read_text()
    service.start(text, example)
    box.path(encrypted).unlink()
    service.begin(text, example)
    service.wait_for_state("failed")
    assert "is encrypted, and there is no key" in service.status_text
