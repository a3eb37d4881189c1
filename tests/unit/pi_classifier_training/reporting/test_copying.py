"""The lines to copy and paste: a shell and a configuration must take them as they stand."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest
from pi_classifier_training.reporting.copying import copy_lines

from pi_classifier.decision import SmootherSettings
from pi_classifier.modelfile.locate import find_model, taken_names


def test_a_file_is_sent_tried_and_installed_under_the_models_name() -> None:
    lines = copy_lines(Path("runs/birds/int8.tflite"), "birds")
    assert lines.send == "scp runs/birds/int8.tflite pi@raspberrypi.local:birds.tflite"
    assert lines.attempt == "pi-classifier run --model ./birds.tflite"
    assert lines.keep == (
        "sudo install -D -m 644 birds.tflite /var/lib/pi-classifier/models/birds.tflite"
    )
    assert tomllib.loads(lines.settings) == {"model": {"path": "birds"}}


def test_a_cascade_goes_as_one_folder(tmp_path: Path) -> None:
    lines = copy_lines(tmp_path, "birds")
    pi = "pi@raspberrypi.local"
    assert lines.send == f"ssh {pi} rm -rf birds && scp -r {tmp_path} {pi}:birds"
    assert lines.attempt == "pi-classifier run --model ./birds"
    models = "/var/lib/pi-classifier/models"
    assert lines.keep.splitlines()[1:] == [
        f"sudo rm -rf {models}/birds {models}/birds.tflite",
        f"sudo cp -rT birds {models}/birds",
    ]


@pytest.mark.parametrize("name", [*sorted(taken_names()), "imx500"])
def test_no_model_goes_by_a_name_that_means_another_one_on_the_pi(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = copy_lines(tmp_path, name)
    own = tomllib.loads(lines.settings)["model"]["path"]
    assert own == f"my-{name}"
    assert lines.send.endswith(f":{own}")
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "models" / own / "int8.tflite"
    model.parent.mkdir(parents=True)
    model.touch()
    assert find_model(own).resolve() == model


@pytest.mark.parametrize(
    "name", ["my birds", "$(reboot)", "-rf /", "é 黄色", '"\n[x]', "../up", ""]
)
def test_no_name_means_anything_to_a_shell(name: str) -> None:
    lines = copy_lines(Path("a folder/int8;.tflite"), name)
    sent = shlex.split(lines.send)
    assert sent[:2] == ["scp", "a folder/int8;.tflite"]
    own = sent[2].removeprefix("pi@raspberrypi.local:").removesuffix(".tflite")
    assert own == shlex.quote(own)
    assert not own.startswith(("-", "."))
    assert tomllib.loads(lines.settings) == {"model": {"path": own}}


@pytest.mark.parametrize("threshold", [0.3, 0.4, 0.62, 0.7])
def test_a_threshold_of_the_files_own_goes_into_the_configuration(threshold: float) -> None:
    settings = tomllib.loads(copy_lines(Path("int8.tflite"), "birds", threshold).settings)
    usual = SmootherSettings()
    assert ("decision" in settings) == (threshold != usual.threshold_high)
    # The daemon refuses a low threshold above the high one.
    assert SmootherSettings(**settings.get("decision", {})).threshold_high == threshold
