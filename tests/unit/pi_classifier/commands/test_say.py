"""Which labels `say --all-labels` speaks: those that the service may announce."""

from __future__ import annotations

from pathlib import Path

import pytest
from pi_classifier_training.modelfile.writer import with_manifest_entries

from pi_classifier.commands.say import _spoken_labels
from pi_classifier.config.settings import Settings
from pi_classifier.decision import SmootherSettings
from pi_classifier.inference.settings import ModelSettings

MODEL = Path(__file__).resolve().parents[3] / "data" / "int8.tflite"


@pytest.mark.parametrize("silent", ["cyan", " cyan "])
def test_what_the_configuration_makes_silent_is_not_spoken(silent: str) -> None:
    settings = Settings(
        model=ModelSettings(path=str(MODEL)), decision=SmootherSettings(silent_labels=(silent,))
    )
    assert _spoken_labels(settings) == ["magenta", "yellow"]


def test_of_a_cascade_any_model_may_call_a_label_silent(tmp_path: Path) -> None:
    for name, silent in (("first", []), ("second", ["background", "yellow"])):
        content = with_manifest_entries(MODEL.read_bytes(), {"silent_labels": silent})
        (tmp_path / f"{name}.tflite").write_bytes(content)
    (tmp_path / "cascade.toml").write_text(
        'schema_version = 1\nname = "colors"\n'
        '[[stage]]\nmodel = "first.tflite"\naccept = 0.8\n[[stage]]\nmodel = "second.tflite"\n'
    )
    settings = Settings(model=ModelSettings(path=str(tmp_path / "cascade.toml")))
    assert _spoken_labels(settings) == ["cyan", "magenta"]
