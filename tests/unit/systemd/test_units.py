"""The files that make it a service: their configuration is true, the units clean and tight."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from pi_classifier.config.reading import read_configuration
from pi_classifier.config.settings import Settings
from pi_classifier.errors import EXIT_CONFIG, EXIT_DATA, EXIT_TEMPORARY

SYSTEMD = Path(__file__).parents[3] / "systemd"
UNIT = SYSTEMD / "pi-classifier.service"
TEMPLATE = SYSTEMD / "pi-classifier@.service"
CONFIGURATION = SYSTEMD / "config.toml"

EXPOSURE = re.compile(r"Overall exposure level for \S+: (\d+\.\d)")
EXPOSURE_LIMIT = 0.6
EXPOSURE_LIMIT_WITH_NETWORK = 1.5


def directives(unit: Path) -> list[tuple[str, str]]:
    """The assignments of a unit in their order, without remarks and sections."""
    lines = (line for line in unit.read_text().splitlines() if re.match(r"[A-Za-z]+=", line))
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def values(unit: Path, name: str) -> list[str]:
    return [value for each, value in directives(unit) if each == name]


def seconds(unit: Path, name: str) -> int:
    (value,) = values(unit, name)
    return int(value)


# The default configuration


def read(file: Path, tmp_path: Path) -> Settings:
    nowhere = tmp_path / "none.toml"
    return read_configuration(file, system_file=nowhere, user_file=nowhere).settings


def test_default_configuration_changes_nothing(tmp_path: Path) -> None:
    assert read(CONFIGURATION, tmp_path) == Settings()


def test_every_setting_shown_in_it_exists_and_shows_its_default(tmp_path: Path) -> None:
    text = CONFIGURATION.read_text()
    shown = re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE)
    file = tmp_path / "all.toml"
    file.write_text(shown)
    assert read(file, tmp_path) == Settings()
    settings = sum(len(table) for table in tomllib.loads(shown).values())
    assert settings == len(re.findall(r"^#[a-z_]+ = ", text, re.MULTILINE)) > 15


def test_remarks_are_not_taken_for_settings() -> None:
    for line in CONFIGURATION.read_text().splitlines():
        assert not line or re.match(r"# |#$|#[a-z_]+ = |\[[a-z]+\]$", line), line


# The units


def test_the_template_differs_only_in_what_is_its_own() -> None:
    own = {
        "Description": "the camera %i ",
        "ExecStart": "--config /etc/pi-classifier/%i.toml ",
        "ExecReload": " --config /etc/pi-classifier/%i.toml",
        "StateDirectory": "/%i",
        "WorkingDirectory": "/%i",
        "RuntimeDirectory": "-%i",
        "LoadCredential": "-%i",
    }
    single, template = directives(UNIT), directives(TEMPLATE)
    assert [name for name, _ in single] == [name for name, _ in template]
    differing = set()
    for (name, value), (_, of_template) in zip(single, template, strict=True):
        if value != of_template:
            differing.add(name)
            shared = of_template.replace(own[name], "")
            assert shared in (value, value.replace("the camera ", "")), name
    assert differing == set(own)


def test_waiting_for_a_camera_never_reaches_the_start_limit_but_a_crash_loop_does() -> None:
    interval_s, burst = seconds(UNIT, "StartLimitIntervalSec"), seconds(UNIT, "StartLimitBurst")
    pause_s = seconds(UNIT, "RestartSec")
    recovery_s = Settings().camera.recovery_s
    assert burst * (recovery_s + pause_s) > 2 * interval_s
    a_slow_start_s = 10  # imports on a Zero 2 W
    assert burst * (a_slow_start_s + pause_s) < interval_s


def test_the_watchdog_is_slower_than_the_camera_is_allowed_to_be() -> None:
    assert seconds(UNIT, "WatchdogSec") > 2 * Settings().camera.timeout_s


def test_it_is_not_started_again_for_what_only_a_person_can_mend() -> None:
    (prevented,) = values(UNIT, "RestartPreventExitStatus")
    codes = {int(code) for code in prevented.split()}
    assert {2, EXIT_DATA, EXIT_CONFIG} <= codes
    assert EXIT_TEMPORARY not in codes


def test_proc_cpuinfo_stays_visible() -> None:
    for unit in (UNIT, TEMPLATE):
        assert values(unit, "ProcSubset") == ["all"]


def stand_in(folder: Path, unit: Path, name: str = "", *drop_ins: Path) -> Path:
    """A copy whose program exists on this machine, so that systemd has no other complaint."""
    texts = [each.read_text() for each in (unit, *drop_ins)]
    copy = folder / (name or unit.name)
    copy.write_text("\n".join(texts).replace("/usr/bin/pi-classifier ", "/usr/bin/true "))
    return copy


def analyze(*words: str | Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "info"}
    command = ["systemd-analyze", "--no-pager", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize(
    ("unit", "name", "options"),
    [
        (UNIT, "", ()),
        (TEMPLATE, "pi-classifier@front.service", ()),
        (SYSTEMD / "pi-classifier-failed@.service", "pi-classifier-failed@x.service", ()),
        (SYSTEMD / "user/pi-classifier-demo.service", "", ("--user",)),
    ],
    ids=["service", "template", "failed", "demo"],
)
def test_systemd_finds_nothing_to_complain_about(
    unit: Path, name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    copy = stand_in(tmp_path, unit, name)
    done = analyze("verify", "--man=no", *options, copy, tmp_path=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")  # complaints do not change the exit code


def test_systemd_would_complain(tmp_path: Path) -> None:
    copy = stand_in(tmp_path, UNIT)
    copy.write_text(copy.read_text() + "[Service]\nPrivateTmpp=yes\nNice=hot\n")
    stderr = analyze("verify", "--man=no", copy, tmp_path=tmp_path).stderr
    assert "PrivateTmpp" in stderr
    assert "nice priority" in stderr


@pytest.mark.parametrize(
    ("drop_ins", "limit"),
    [
        ((), EXPOSURE_LIMIT),
        ((SYSTEMD / "examples/network.conf",), EXPOSURE_LIMIT_WITH_NETWORK),
    ],
    ids=["alone", "network"],
)
@pytest.mark.parametrize("unit", [UNIT, TEMPLATE], ids=["service", "template"])
def test_little_is_exposed(
    unit: Path,
    drop_ins: tuple[Path, ...],
    limit: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = stand_in(tmp_path, unit, unit.name.replace("@", "@x"), *drop_ins)
    shown = analyze("security", "--offline=yes", copy, tmp_path=tmp_path).stdout
    found = EXPOSURE.search(shown)
    assert found is not None, shown
    with_network = " with the network drop-in" if drop_ins else ""
    with capsys.disabled():
        print(f"\nsystemd-analyze security {unit.name}{with_network}: {found[1]} (aim {limit})")
    assert float(found[1]) <= limit


# What the system gets besides


def test_users_and_folders_are_understood(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    users = SYSTEMD / "sysusers.d/pi-classifier.conf"
    command = ["systemd-sysusers", f"--root={root}", "--replace=/usr/lib/sysusers.d/x.conf", "-"]
    subprocess.run(command, input=users.read_bytes(), check=True, capture_output=True)
    assert "pi-classifier:" in (root / "etc/passwd").read_text()
    groups = (root / "etc/group").read_text().splitlines()
    for group in ("video", "render", "audio"):
        (line,) = [each for each in groups if each.startswith(f"{group}:")]
        assert line.endswith(":pi-classifier")
    folders = SYSTEMD / "tmpfiles.d/pi-classifier.conf"
    subprocess.run(
        ["systemd-tmpfiles", "--create", f"--root={root}", "-"],
        input=folders.read_bytes(),
        check=True,
    )
    state = (root / "var/lib/pi-classifier").stat()
    assert state.st_mode & 0o777 == 0o750


def test_examples_hold_what_they_promise() -> None:
    on_failure = SYSTEMD / "examples/on-failure.conf"
    assert values(on_failure, "OnFailure") == ["pi-classifier-failed@%n.service"]
    assert values(SYSTEMD / "examples/network.conf", "PrivateNetwork") == ["no"]
