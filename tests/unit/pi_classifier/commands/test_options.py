"""What options mean for what is configured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.commands.options import (
    CAMERA,
    MODEL,
    add_setting_options,
    effective,
    of_one_camera,
)
from pi_classifier.commands.parser import Parser
from pi_classifier.config.settings import Settings
from pi_classifier.errors import ConfigError

CONFIGURED = """\
[camera]
source = "pi"
rotation = 180
exposure_us = 5000
controls = { Brightness = "0.1" }
roi = [0.0, 0.0, 0.5, 0.5]
[model]
path = "mine.tflite"
mean = [1, 2, 3]
std = [4, 5, 6]
scores = "logits"
"""


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIGURED)
    return path


def settings(*words: object) -> Settings:
    parser = Parser()
    add_setting_options(parser, MODEL, CAMERA)
    return effective(parser.parse_args([str(word) for word in words]), MODEL, CAMERA).settings


def test_another_camera_is_not_turned_as_the_configured_one(configured: Path) -> None:
    camera = settings("--config", configured, "--camera", "emulated").camera
    assert camera == CameraSettings(source="emulated")


@pytest.mark.parametrize("words", [(), ("--camera", "pi"), ("--set", "camera.source=emulated")])
def test_the_configured_one_is(configured: Path, words: tuple[str, ...]) -> None:
    camera = settings("--config", configured, *words).camera
    assert (camera.rotation, camera.roi, camera.exposure_us) == (180, (0.0, 0.0, 0.5, 0.5), 5000)


def test_what_the_command_line_says_of_another_one_holds(configured: Path) -> None:
    words = ("--camera", "emulated", "--set", "camera.rotation=90")
    assert settings("--config", configured, *words).camera.rotation == 90


def test_another_model_is_not_normalized_as_the_configured_one(configured: Path) -> None:
    model = settings("--config", configured, "--model", "other.tflite").model
    assert (model.mean, model.std, model.scores) == (None, None, "auto")
    model = settings("--config", configured).model
    assert (model.mean, model.std, model.scores) == ((1, 2, 3), (4, 5, 6), "logits")


def test_what_the_command_line_says_of_another_model_holds(configured: Path) -> None:
    words = ("--set", "model.mean = [7, 8, 9]", "--model", "other.tflite", "--std", "2")
    model = settings("--config", configured, *words).model
    assert (model.mean, model.std, model.scores) == ((7, 8, 9), (2, 2, 2), "auto")


SEVERAL = """\
[camera]
source = "pi"
rotation = 180
[[cameras]]
name = "garden"
source = "emulated"
[[cameras]]
name = "pond"
fps = 5
"""


def test_the_name_of_one_of_several_means_that_one(tmp_path: Path) -> None:
    path = tmp_path / "several.toml"
    path.write_text(SEVERAL)
    chosen = settings("--config", path, "--camera", "pond", "--seed", "3")
    assert chosen.camera == CameraSettings(name="pond", source="pi", rotation=180, fps=5.0, seed=3)
    assert chosen.cameras == ()


def test_a_source_takes_the_place_of_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "several.toml"
    path.write_text(SEVERAL)
    chosen = settings("--config", path, "--camera", "emulated")
    assert (chosen.camera, chosen.cameras) == (CameraSettings(source="emulated"), ())


def test_a_command_for_one_camera_asks_which(tmp_path: Path) -> None:
    path = tmp_path / "several.toml"
    path.write_text(SEVERAL)
    several = settings("--config", path)
    with pytest.raises(ConfigError, match=r"\(garden, pond\).*choose it with --camera NAME"):
        of_one_camera(several)
    one = of_one_camera(replace(several, cameras=several.cameras[1:]))
    assert one.camera.name == "pond"
