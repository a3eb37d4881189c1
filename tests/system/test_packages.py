"""The Debian package in a clean Debian under a real systemd: its whole life, and what it holds."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from .box import Box, BoxError
from .installed import CONFIGURATION, UNIT, configuration
from .packages import repacked, run_package, unpacked
from .roots import ROOT

# What installing anything changes, and what purging leaves on purpose (the user).
_NOT_OURS = re.compile(
    r"/(var/lib/dpkg|var/lib/apt|var/cache/(apt|ldconfig|debconf)|var/log|var/tmp|var/lib/systemd/(catalog"
    r"|timers|random-seed)|etc/(passwd|group|shadow|gshadow|subuid|subgid|\.pwd\.lock)"
    r"|etc/(machine-id|ld\.so\.cache)|var/lib/pam|var/lib/dbus)"
)
EMULATED = configuration()


@pytest.fixture(scope="module")
def packages(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three versions: as built, a newer one, and a newer default configuration."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copy(deb, folder / "first.deb")
    repacked(deb, folder / "second.deb", version="0.1.0-2+py311")
    conffile = (ROOT / "systemd" / "config.toml").read_text() + "\n# New in this version\n"
    repacked(deb, folder / "third.deb", version="0.1.0-3+py311", files={CONFIGURATION: conffile})
    return folder


@pytest.fixture
def clean(bookworm_root: Path, packages: Path) -> Iterator[Box]:
    """A clean Debian that has booted; the packages lie in /opt/packages."""
    with Box(bookworm_root, bind={packages: "/opt/packages"}) as box:
        yield box


@pytest.fixture
def running(clean: Box) -> Box:
    """The same with the package installed, which sees through the emulated camera."""
    install(clean, "first")
    begin(clean, EMULATED)
    return clean


def install(box: Box, name: str, *options: str) -> str:
    """Install with dpkg, which asks nobody; BoxError when it fails."""
    return box.run("dpkg", *options, "--install", f"/opt/packages/{name}.deb").stdout


def begin(box: Box, text: str) -> None:
    box.write(CONFIGURATION, text)
    box.systemctl("restart", UNIT)


def show(box: Box, name: str) -> str:
    """A property of the service."""
    return box.systemctl("show", "--value", f"--property={name}", UNIT).strip()


def version(box: Box) -> str:
    return box.run("dpkg-query", "--show", "--showformat=${Version}", "pi-classifier").stdout


def wait_until_active(box: Box) -> None:
    box.wait_for_property(UNIT, "ActiveState", lambda state: state == "active", 30)


def wait_for_another_process(box: Box, before: str) -> None:
    """Wait until the service has been restarted and is ready again."""
    box.wait_for_property(UNIT, "MainPID", lambda pid: pid not in {before, "0"}, 30)
    wait_until_active(box)


def journal_is_written_by_systemd_python(box: Box) -> bool:
    """Whether the running service has loaded python3-systemd, which the package depends on."""
    maps = [Path(f"/proc/{process}/maps").read_text() for process in box.processes(UNIT)]
    return any("/systemd/_journal." in each for each in maps)


def read(box: Box) -> str:
    return box.path(CONFIGURATION).read_text()


def files(box: Box) -> set[str]:
    found = box.run("find", "/", "-xdev", "-print").stdout.splitlines()
    return {path for path in found if not _NOT_OURS.match(path)}


# A life: installed, removed, installed again, purged


def test_installed_without_a_camera_the_system_is_well(clean: Box) -> None:
    said = clean.run("apt-get", "install", "-qq", "--yes", "/opt/packages/first.deb").stdout
    assert "rror" not in said
    # It goes on looking for one, and says so.
    assert show(clean, "ActiveState") == "activating"
    assert show(clean, "NRestarts") == "0"
    status = clean.wait_for_property(UNIT, "StatusText", lambda text: "camera" in text, 20)
    assert status.startswith("Waiting for the camera")
    assert clean.systemctl("is-enabled", UNIT).strip() == "enabled"
    assert clean.systemctl("is-system-running", check=False).strip() == "running"
    assert {"video", "audio", "render"} <= set(
        clean.run("id", "--name", "--groups", "pi-classifier").stdout.split()
    )
    assert clean.run("pi-classifier", "--version").stdout.startswith("pi-classifier ")
    # It gives up looking, is started again, and the reason stays in sight.
    clean.write(CONFIGURATION, "[camera]\nrecovery_s = 0.5\n[speech]\nenabled = false\n")
    clean.systemctl("restart", "--no-block", UNIT)
    clean.wait_for_property(UNIT, "NRestarts", lambda count: int(count) > 0, 30)
    clean.wait_for_property(UNIT, "StatusText", lambda text: "picamera2 is not" in text, 20)
    assert show(clean, "ActiveState") == "activating"
    assert clean.systemctl("is-system-running", check=False).strip() == "running"
    # The camera comes (here: another one is chosen), and it starts.
    begin(clean, EMULATED)
    assert show(clean, "ActiveState") == "active"
    explained = clean.run("journalctl", "--catalog", f"--unit={UNIT}", "--no-pager").stdout
    assert "Defined-By: pi-classifier" in explained  # the catalog is in force
    assert journal_is_written_by_systemd_python(clean)


def test_removing_keeps_what_is_the_users_and_purging_leaves_nothing(clean: Box) -> None:
    before = files(clean)
    install(clean, "first")
    begin(clean, EMULATED)
    clean.write("/var/lib/pi-classifier/models/birds.tflite", "mine")
    clean.write("/etc/pi-classifier/front.toml", "")
    clean.systemctl("enable", "pi-classifier@front")

    clean.run("dpkg", "--remove", "pi-classifier")
    assert show(clean, "ActiveState") == "inactive"
    assert read(clean) == EMULATED
    assert clean.path("/var/lib/pi-classifier/models/birds.tflite").exists()
    assert not clean.path("/usr/lib/pi-classifier").exists()  # nor a __pycache__ in it

    install(clean, "first")
    wait_until_active(clean)
    assert read(clean) == EMULATED

    clean.run("dpkg", "--purge", "pi-classifier")
    clean.run("id", "pi-classifier")  # stays: its number must not become another's
    assert files(clean) - before == set()
    assert clean.systemctl("is-system-running", check=False).strip() == "running"


# Upgrades


def test_upgrade_and_downgrade_restart_it_with_the_users_configuration(running: Box) -> None:
    before = show(running, "MainPID")
    install(running, "second")
    wait_for_another_process(running, before)
    assert (version(running), read(running)) == ("0.1.0-2+py311", EMULATED)

    before = show(running, "MainPID")
    install(running, "third", "--force-confold")  # it has another default configuration
    wait_for_another_process(running, before)
    assert read(running) == EMULATED
    assert running.path(f"{CONFIGURATION}.dpkg-dist").read_text().endswith("in this version\n")

    before = show(running, "MainPID")
    install(running, "first", "--force-confold")
    wait_for_another_process(running, before)
    assert (version(running), read(running)) == ("0.1.0-1+py311", EMULATED)


def test_an_untouched_configuration_follows_the_package(clean: Box) -> None:
    install(clean, "first")
    before = read(clean)
    install(clean, "third")
    assert read(clean) == before + "\n# New in this version\n"


def test_dpkg_asks_before_it_replaces_an_edited_configuration(running: Box) -> None:
    with pytest.raises(BoxError, match=f"Configuration file '{re.escape(CONFIGURATION)}'"):
        install(running, "third")  # the answer is the end of its input
    assert read(running) == EMULATED
    running.run("dpkg", "--force-confold", "--configure", "pi-classifier")
    wait_until_active(running)


def test_upgrade_leaves_stopped_disabled_and_masked_alone(running: Box) -> None:
    running.systemctl("stop", UNIT)
    install(running, "second")
    assert show(running, "ActiveState") == "inactive"
    assert running.systemctl("is-enabled", UNIT).strip() == "enabled"

    running.systemctl("disable", UNIT)
    install(running, "first")
    assert show(running, "ActiveState") == "inactive"
    assert running.systemctl("is-enabled", UNIT, check=False).strip() == "disabled"

    running.systemctl("mask", UNIT)
    install(running, "second")
    assert show(running, "ActiveState") == "inactive"
    assert running.systemctl("is-enabled", UNIT, check=False).strip() == "masked"


def test_upgrade_gives_one_that_has_given_up_another_chance(running: Box) -> None:
    running.write(CONFIGURATION, "[camera]\nsource = 5\n")
    running.systemctl("restart", UNIT, check=False)
    assert show(running, "ActiveState") == "failed"
    running.write(CONFIGURATION, EMULATED)
    install(running, "second")
    wait_until_active(running)


def test_upgrade_restarts_the_services_of_several_cameras(running: Box) -> None:
    unit = "pi-classifier@front.service"
    running.write("/etc/pi-classifier/front.toml", "")
    running.systemctl("start", unit)
    before = running.properties(unit)["MainPID"]
    install(running, "second")
    running.wait_for_property(unit, "MainPID", lambda pid: pid not in {before, "0"}, 30)
    running.wait_for_property(unit, "ActiveState", lambda state: state == "active", 30)
    running.run("dpkg", "--remove", "pi-classifier")
    assert running.properties(unit)["ActiveState"] == "inactive"


def test_policy_that_forbids_starting_is_obeyed(clean: Box) -> None:
    clean.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    install(clean, "first")
    assert show(clean, "ActiveState") == "inactive"
    assert clean.systemctl("is-enabled", UNIT).strip() == "enabled"


# Installed into a system that does not run, as image builders do; then its first boot


# In a mount namespace of its own, which goes with the command, however that ends.
_INSTALL = """
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/layer,workdir=$2/work" "$2/root"
cp "$3" "$2/root/opt/pi-classifier.deb"
chroot "$2/root" dpkg --install /opt/pi-classifier.deb
"""


@pytest.fixture
def image(bookworm_root: Path, deb: Path, tmp_path: Path) -> Path:
    """The layer over the root that holds the package, installed where nothing runs."""
    for name in ("layer", "work", "root"):
        (tmp_path / name).mkdir()
    command = ["unshare", "--mount", "--propagation=private", "sh", "-c", _INSTALL, "install"]
    places = [str(bookworm_root), str(tmp_path), str(deb)]
    done = subprocess.run([*command, *places], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rror" not in done.stderr
    return tmp_path / "layer"


def test_first_boot_with_a_broken_configuration(image: Path, bookworm_root: Path) -> None:
    (image / CONFIGURATION.lstrip("/")).write_text("[camera]\nsuorce = 'pi'\n")
    with Box(Path(f"{image}:{bookworm_root}")) as box:
        box.wait_for_property(UNIT, "ActiveState", lambda state: state == "failed", 30)
        assert (show(box, "ExecMainStatus"), show(box, "NRestarts")) == ("78", "0")
        status = box.systemctl("status", UNIT, check=False)
        assert 'unknown key "suorce"' in status or "suorce" in show(box, "StatusText")
        assert box.systemctl("is-active", "multi-user.target").strip() == "active"
        failed = box.systemctl("list-units", "--failed", "--plain", "--no-legend").split()
        assert failed[0] == UNIT
        assert len([word for word in failed if word.endswith(".service")]) == 1
        # mended as the message says
        begin(box, EMULATED)
        assert show(box, "ActiveState") == "active"


# Debian 13


def test_trixie(trixie_root: Path, tmp_path: Path) -> None:
    run_package("amd64", "3.13", OUT=str(tmp_path), DPKG_DEB_COMPRESSOR_TYPE="none")
    (package,) = tmp_path.glob("*.deb")
    with Box(trixie_root, bind={package: "/opt/packages/first.deb"}) as box:
        box.run("apt-get", "install", "-qq", "--yes", "/opt/packages/first.deb")
        begin(box, EMULATED)
        assert show(box, "ActiveState") == "active"
        assert "3.13" in str(box.path("/usr/bin/python3").readlink())
        assert journal_is_written_by_systemd_python(box)


# What is in it


def test_lintian_has_nothing_to_say(deb: Path) -> None:
    command = [
        "lintian",
        "--display-info",
        "--allow-root",
        "--fail-on=error,warning,info",
        str(deb),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_the_same_bytes_from_another_place_without_git(deb: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a copy, with spaces"
    for name in ("pi_classifier", "models", "systemd", "scripts", "docs", "requirements"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "pyproject.toml", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "build/package/wheels", copy / "build/package/wheels")
    listed = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(listed.stdout)) as archive:
        (date,) = {str(int(member.mtime)) for member in archive}  # all of the last commit's
    changed = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "DPKG_DEB_COMPRESSOR_TYPE": "none"}
    run_package("amd64", "3.11", root=copy, SOURCE_DATE_EPOCH=date, **changed)
    (other,) = (copy / "dist").glob("*.deb")
    for part in ("--fsys-tarfile", "--ctrl-tarfile"):
        first, second = (
            subprocess.run(["dpkg-deb", part, each], capture_output=True, check=True).stdout
            for each in (deb, other)
        )
        assert first == second, f"{part} differs"


def test_its_bill_of_materials_and_licenses_are_those_of_what_it_holds(
    deb: Path, tmp_path: Path
) -> None:
    tree = unpacked(deb, tmp_path / "tree")
    documents = tree / "usr/share/doc/pi-classifier"
    text = (documents / "pi-classifier.cdx.json").read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {part["name"]: part for part in json.loads(text)["components"]}
    vendored = (tree / "usr/lib/pi-classifier").glob("*.dist-info")
    names = {path.name.removesuffix(".dist-info") for path in vendored}
    assert names == {
        f"{name.replace('-', '_')}-{part['version']}"
        for name, part in parts.items()
        if part.get("purl", "").startswith("pkg:pypi/")
    }
    for name in names:
        assert list((documents / "licenses" / name).iterdir()), name
    assert (documents / "licenses/ml_dtypes-0.5.4/LICENSE.eigen").is_file()
    for model in tree.glob("usr/share/pi-classifier/models/*/*.tflite"):
        (stated,) = parts[f"{model.parent.name}/{model.stem}"]["hashes"]
        assert stated["content"] == hashlib.sha256(model.read_bytes()).hexdigest()
    sums = (deb.parent / "SHA256SUMS").read_text("utf-8")
    assert f"{hashlib.sha256(deb.read_bytes()).hexdigest()}  {deb.name}\n" in sums


def test_holds_what_the_daemon_needs_and_no_more(deb: Path, tmp_path: Path) -> None:
    tree = unpacked(deb, tmp_path / "tree")
    library = tree / "usr/lib/pi-classifier"
    assert {each.name.split("-")[0] for each in library.iterdir()} == {
        *("pi_classifier", "ai_edge_litert", "ml_dtypes", "pyttsx3")
    }
    assert not list(tree.rglob("*WebGpu*"))
    assert not list(tree.rglob("__pycache__"))
    ours = {path.relative_to(library).as_posix() for path in library.glob("pi_classifier/**/*")}
    assert "pi_classifier/cli.py" in ours
    assert not [path for path in tree.rglob("*") if path.is_file() and path.stat().st_mode & 0o022]
    kilobytes = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    assert kilobytes < 30_000


@pytest.mark.parametrize(
    ("architecture", "python", "machine", "runtime"),
    [
        ("arm64", "3.13", 183, "ai_edge_litert/libLiteRt.so"),
        ("armhf", "3.11", 40, "tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so"),
    ],
)
def test_packages_for_pis(
    tmp_path: Path, architecture: str, python: str, machine: int, runtime: str
) -> None:
    """`machine` as in the ELF header's e_machine: 183 is AArch64, 40 ARM."""
    run_package(architecture, python, OUT=str(tmp_path), DPKG_DEB_COMPRESSOR_TYPE="none")
    (package,) = tmp_path.glob("*.deb")
    tree = unpacked(package, tmp_path / "tree")
    libraries = list(tree.rglob("*.so*"))
    assert tree / "usr/lib/pi-classifier" / runtime in libraries
    headers = [path.read_bytes()[:20] for path in libraries]
    assert {struct.unpack("<18xH", header)[0] for header in headers} == {machine}
    abis = {part for path in libraries for part in path.name.split(".") if "cpython" in part}
    assert {abi.split("-")[1] for abi in abis} <= {python.replace(".", "")}
    control = (tree / "DEBIAN/control").read_text()
    assert f"Architecture: {architecture}\n" in control
    after = f"3.{int(python.split('.')[1]) + 1}"
    assert f"Depends: python3 (>= {python}), python3 (<< {after}~)," in control
    assert ("python3-numpy (<< 1:2)" in control) == (architecture == "armhf")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "usage: systemd/package.sh"),
        (("mips", "3.11"), "architecture 'mips' is unknown"),
        (("arm64", "3.12"), "Python '3.12' is not built for"),
        (("armhf", "3.13"), "no runtime for armhf with Python 3.13"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run_package(*words)
    assert complaint in raised.value.stdout
    assert len(raised.value.stdout.splitlines()) == 1
