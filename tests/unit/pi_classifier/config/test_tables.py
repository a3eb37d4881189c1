"""Arrays of tables: named, each like its section, changed by name, every mistake at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.config.reading import Configuration, read_configuration
from pi_classifier.config.text import effective_toml, reference_markdown
from pi_classifier.errors import ConfigError

TWO = """\
[camera]
fps = 4
source = "emulated"
[[cameras]]
name = "garden"
seed = 1
[[cameras]]
name = "bird feeder"
fps = 2
[cameras.controls]
Brightness = "0.1"
"""


def read(tmp_path: Path, system: str, *assignments: str, file: str = "") -> Configuration:
    (tmp_path / "system.toml").write_text(system)
    (tmp_path / "file.toml").write_text(file)
    return read_configuration(
        tmp_path / "file.toml",
        assignments,
        system_file=tmp_path / "system.toml",
        user_file=tmp_path / "none.toml",
    )


def problem(tmp_path: Path, system: str, *assignments: str, file: str = "") -> str:
    with pytest.raises(ConfigError) as wrong:
        read(tmp_path, system, *assignments, file=file)
    return str(wrong.value).replace(f"{tmp_path}/", "")


def test_what_a_table_leaves_out_is_as_in_its_section(tmp_path: Path) -> None:
    configuration = read(tmp_path, TWO, "camera.fps=7")
    controls = {"Brightness": "0.1"}
    assert configuration.settings.cameras == (
        CameraSettings(name="garden", source="emulated", fps=7.0, seed=1),
        CameraSettings(name="bird feeder", source="emulated", fps=2.0, controls=controls),
    )
    sources = configuration.sources
    assert sources["cameras.garden.seed"] == str(tmp_path / "system.toml")
    assert sources["cameras.garden.fps"] == "[camera]"
    assert sources["cameras.garden.width"] == "default"


def test_a_later_source_replaces_all_of_them(tmp_path: Path) -> None:
    later = "[[cameras]]\nname = 'pond'\n"
    (pond,) = read(tmp_path, TWO, file=later).settings.cameras
    assert pond == CameraSettings(name="pond", source="emulated", fps=4.0)
    assert read(tmp_path, TWO, "cameras=[]").settings.cameras == ()


def test_one_is_changed_by_its_name(tmp_path: Path) -> None:
    changes = ("cameras.garden.fps=3", "cameras.bird feeder.controls.Contrast=2")
    configuration = read(tmp_path, TWO, *changes, file="[cameras.garden]\nseed = 9\n")
    garden, feeder = configuration.settings.cameras
    assert (garden.fps, garden.seed) == (3.0, 9)
    assert feeder.controls == {"Brightness": "0.1", "Contrast": "2"}
    assert configuration.sources["cameras.garden.fps"] == "--set"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[cameras]\nsource = 'pi'",
            "[cameras]: expected [[cameras]], with two brackets, before the settings of each.",
        ),
        (
            "cameras = 3",
            "cameras = 3: expected [[cameras]], with two brackets, before the settings of each.",
        ),
        ("cameras = [3]", "cameras = 3: expected a table, [[cameras]]."),
        (
            "[[cameras]]\nfps = 3",
            (
                "[[cameras]], number 1: has no name; give each one of its own, such as "
                'name = "garden".'
            ),
        ),
        (
            "[[cameras]]\nname = 'a.b'",
            (
                '[[cameras]], number 1: name = "a.b": expected 1 to 40 visible characters, no dot '
                "and no equals sign among them."
            ),
        ),
        (
            "[[cameras]]\nname = 'a'\n[[cameras]]\nname = 'a'",
            '[[cameras]], number 2: name = "a": another one has this name; each needs its own.',
        ),
        (
            "[[cameras]]\nname = 'a'\nfsp = 3",
            "cameras.a.fsp = 3: no such setting. Did you mean 'fps'?",
        ),
        (
            "[[cameras]]\nname = 'a'\nfps = 0",
            "cameras.a.fps = 0: expected a number from 0.1 to 240.",
        ),
        (
            "[[cameras]]\nname = 'a'\nwidth = 31",
            (
                "[cameras.a] width = 31: expected an even number of pixels from 16 to 8192, such "
                "as 640 by 480."
            ),
        ),
        (
            "[cameras.a]\nfps = 3",
            "cameras.a: no [[cameras]] has this name. Names: none yet.",
        ),
        (
            "[[camera]]\nname = 'a'",
            (
                'camera = [{ "name" = "a" }]: expected a section, [camera]. '
                "Did you mean 'cameras'?"
            ),
        ),
        (
            "[[camras]]\nname = 'a'",
            "[camras]: no such section. Did you mean 'cameras'?",
        ),
    ],
)
def test_one_problem_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    assert problem(tmp_path, text) == f"system.toml: {message}"


@pytest.mark.parametrize("name", ["''", "' a'", "'a\\u0007'", "5", f"'{'x' * 41}'"])
def test_a_name_can_be_written_and_seen(tmp_path: Path, name: str) -> None:
    text = f"[[cameras]]\nname = {name}".replace("'", '"')
    assert "expected 1 to 40 visible characters" in problem(tmp_path, text)
    if name != "''":  # which is none
        alone = text.replace("[[cameras]]", "[camera]")
        assert re.search(r"camera.*name = .*: expected", problem(tmp_path, alone))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("webcam:0", "/dev/video0"),
        ("/dev/video1", " webcam:/dev/../dev/video1"),
        ("webcam", "webcam"),
        ("pi", "pi:0"),
        ("pi:imx708", "pi:imx708"),
        ("imx500:a.rpk", "imx500:b.rpk"),
    ],
)
def test_two_cannot_look_through_one(tmp_path: Path, first: str, second: str) -> None:
    text = "".join(
        f"[[cameras]]\nname = '{name}'\nsource = '{source}'\n"
        for name, source in (("garden", first), ("pond", second))
    )
    message = problem(tmp_path, text)
    assert message.startswith(f"[[cameras]] pond: source = {second.strip()!r} is the camera of ga")
    assert "[[regions]]" in message


@pytest.mark.parametrize("source", ["emulated", "replay:/photos", "rtsp://gate/1"])
def test_two_may_look_through_what_is_no_device(tmp_path: Path, source: str) -> None:
    text = "".join(f"[[cameras]]\nname = '{n}'\nsource = '{source}'\n" for n in "ab")
    assert len(read(tmp_path, text).settings.cameras) == 2


def test_a_name_is_no_setting_to_be_changed(tmp_path: Path) -> None:
    message = problem(tmp_path, TWO, "cameras.garden.name=pond")
    assert (
        message == "--set: cameras.garden: its name cannot be changed; write all [[cameras]] anew."
    )


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    wrong = "[[cameras]]\nfps = 0\n[[cameras]]\nname = 'b'\nheight = 'x'\n"
    assert problem(tmp_path, wrong, "cameras.c.fps=1", "cameras.b=1").splitlines() == [
        "5 errors in the configuration:",
        (
            "  system.toml: [[cameras]], number 1: has no name; give each one of its own, such as "
            'name = "garden".'
        ),
        "  system.toml: cameras.1.fps = 0: expected a number from 0.1 to 240.",
        '  system.toml: cameras.b.height = "x": expected a whole number from 16 to 8192.',
        "  --set: cameras.c: no [[cameras]] has this name. Names: 1, b.",
        "  --set cameras.b=1: expected section.key=value, such as decision.patience=5.",
    ]


def test_what_is_wrong_in_the_section_is_said_once(tmp_path: Path) -> None:
    assert problem(tmp_path, TWO, "camera.width=31").count("width = 31") == 1


def test_the_printed_configuration_reads_back_the_same(tmp_path: Path) -> None:
    first = read(tmp_path, TWO, "cameras.garden.fps=3")
    text = effective_toml(first)
    assert 'name = "garden"  # ' in text
    assert "fps = 3.0  # --set\n" in text
    assert text.count("width = ") == 1  # what [camera] says is not repeated
    assert read(tmp_path, text).settings == first.settings


def test_the_reference_says_what_they_are_like() -> None:
    page = reference_markdown()
    assert "## [[cameras]]\n" in page
    assert "Its settings are those of [camera], which says what a table leaves out." in page
