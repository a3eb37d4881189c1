"""The pages for people with a board say what the program does: settings, exit codes, paths."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pi_classifier import errors
from pi_classifier.config.reading import read_configuration

ROOT = Path(__file__).resolve().parents[3]
DEVICE = ROOT / "docs" / "device"
PAGES = sorted(DEVICE.glob("*.md"))
_TOML = re.compile(r"^( *)```toml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SETTING = re.compile(r"`([a-z]+\.[a-z_]+)( = [^`]+)?`")
_UNIT_FOLDERS = re.compile(r"/(?:etc|var/lib|var/cache|usr/share|usr/lib|run)/pi-classifier\b")


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def toml_blocks() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for _, block in _TOML.findall(text_of(page)):
            found.append((page.name, re.sub(r"(?m)^ +(?=\S)", "", block)))
    return found


@pytest.mark.parametrize(("page", "block"), toml_blocks())
def test_settings_shown_are_accepted(page: str, block: str, tmp_path: Path) -> None:
    assert tomllib.loads(block), page
    file = tmp_path / "config.toml"
    file.write_text(block, "utf-8")
    nowhere = tmp_path / "nowhere"
    read_configuration(file, system_file=nowhere, user_file=nowhere)


def test_there_are_settings_shown() -> None:
    assert len(toml_blocks()) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_named_are_there(page: Path) -> None:
    reference = text_of(ROOT / "docs/reference/configuration.md")
    for name, value in _SETTING.findall(text_of(page)):
        section, key = name.split(".")
        if key == "toml" or f"## [{section}]" not in reference:
            continue  # a file's name, such as config.toml
        _, _, rest = reference.partition(f"## [{section}]")
        assert f"| `{key}` |" in rest.partition("\n## ")[0], (page.name, name, value)


def test_every_exit_code_is_explained() -> None:
    table = text_of(DEVICE / "troubleshooting.md")
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    # Every error of the device has a code of its own: the base's is never seen.
    for code in {0, *codes} - {errors.EXIT_FAILURE}:
        assert f"| {code} |" in table, code


def test_setting_up_leads_to_a_spoken_label() -> None:
    text = text_of(DEVICE / "setting-up.md")
    steps = (
        "Raspberry Pi Imager",
        "rpicam-hello --list-cameras",
        "sudo apt install ./pi-classifier_",
        "systemctl status pi-classifier",
        "aplay -l",
        "scp ",
        "sudo systemctl reload pi-classifier",
    )
    place = 0
    for step in steps:
        place = text.find(step, place)
        assert place != -1, f"{step} is missing, or comes too early"


def test_folders_are_those_of_the_service() -> None:
    unit = text_of(ROOT / "systemd/pi-classifier.service")
    kept = {
        "/etc/pi-classifier": "ConfigurationDirectory=pi-classifier",
        "/var/lib/pi-classifier": "StateDirectory=pi-classifier",
        "/var/cache/pi-classifier": "CacheDirectory=pi-classifier",
        "/run/pi-classifier": "RuntimeDirectory=pi-classifier",
    }
    named = {folder for page in PAGES for folder in _UNIT_FOLDERS.findall(text_of(page))}
    assert named >= {"/etc/pi-classifier", "/var/lib/pi-classifier", "/var/cache/pi-classifier"}
    for folder in named - {"/usr/share/pi-classifier", "/usr/lib/pi-classifier"}:
        assert kept[folder] in unit
