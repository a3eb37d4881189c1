"""The options of retrain, as the settings they become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pi_classifier_training.cli import parser
from pi_classifier_training.commands.retrain import choices_of
from pi_classifier_training.evaluation.boards import network_for
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.retraining.options import RetrainOptions


def choices(*words: str) -> RetrainOptions:
    arguments = ["retrain", "--image-dir", "photos", "--output-dir", "runs/garden", *words]
    return choices_of(parser().parse_args(arguments))


def test_without_options_everything_is_the_dataclasses_default() -> None:
    default = RetrainOptions()
    assert choices() == replace(default, card=replace(default.card, name="garden"))


def test_the_head_and_the_whole_network_have_options_of_their_own() -> None:
    made = choices("--head-strength", "8", "--epochs", "3", "--rate", "0.2", "--steps", "7")
    assert made.head_strength == 8
    assert (made.training.epochs, made.training.rate, made.training.steps) == (3, 0.2, 7)


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (("--network", "mobilenet_v2"), NetworkSpec("mobilenet_v2", 0.35, 224)),
        (("--network", "inception_v3"), NetworkSpec("inception_v3", 1.0, 299)),
        (("--width", "0.5", "--resolution", "96"), NetworkSpec("mobilenet_v1", 0.5, 96)),
    ],
)
def test_what_is_left_out_of_a_network_is_chosen_for_it(
    words: tuple[str, ...], spec: NetworkSpec
) -> None:
    assert choices(*words).network == spec


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--network", "auto", "--width", "0.5"), "auto chooses width and resolution"),
        (("--board", "5"), "--board says what --network auto is for"),
    ],
)
def test_a_board_and_a_size_contradict_one_another(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        choices(*words)
    assert says in capsys.readouterr().err


def test_auto_is_what_fits_the_board() -> None:
    assert choices("--network", "auto").network == network_for("zero-2-w")
    assert choices("--network", "auto", "--board", "5").network == network_for("5")


def test_teachers_are_named_one_by_one_and_the_card_by_its_fields() -> None:
    made = choices("--teacher", "a", "--teacher", "b", "--name", "Garden", "--author", "me")
    assert made.teachers == (Path("a"), Path("b"))
    assert (made.card.name, made.card.author, made.card.license) == ("Garden", "me", "")
