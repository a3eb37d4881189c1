"""Options of the command line, derived from a settings dataclass."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, given_options, read_options
from pi_classifier.setting import setting


@dataclass(frozen=True)
class Training:
    """One field of every kind of option."""

    label: str = setting(MISSING, "what it shows")
    epochs: int = setting(60, "rounds through the photos", minimum=1)
    rate: float = setting(0.002, "learning rate", above=0)
    share: float | None = setting(None, "100 % is 1", minimum=0, maximum=1)
    mode: Literal["fast", "good"] = setting("good", "how")
    verbose: bool = setting(False, "tell more")
    curve: bool = setting(True, "leave the curve out")
    teachers: tuple[Path, ...] = setting((), "runs", option="--teacher", metavar="RUN")
    accept: tuple[float, ...] = setting((), "scores", minimum=0, maximum=1)
    cache: str | None = setting(None, "a folder, or none")
    seen: list[int] = field(default_factory=list)


def parser() -> Parser:
    made = Parser(prog="train")
    add_options(made, Training, exclusive=("epochs", "share"))
    return made


def read(*words: str) -> Training:
    return read_options(parser().parse_args(["--label", "rose", *words]), Training)


def test_what_is_not_given_is_the_dataclasses_default() -> None:
    assert read() == Training("rose")


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--epochs", "1"], "epochs", 1),
        (["--rate", "1e-4"], "rate", 1e-4),
        (["--share", "1"], "share", 1.0),
        (["--mode", "fast"], "mode", "fast"),
        (["--verbose"], "verbose", True),
        (["--no-curve"], "curve", False),
        (["--teacher", "a", "--teacher", "b"], "teachers", (Path("a"), Path("b"))),
        (["--accept", "0", "0.5"], "accept", (0.0, 0.5)),
        (["--cache", "none"], "cache", "none"),
    ],
)
def test_an_option_sets_its_field_and_no_other(words: list[str], name: str, value: Any) -> None:
    expected = {"label": "rose", name: value}
    assert read(*words) == Training(**expected)


def test_what_was_given_is_told_from_what_was_not() -> None:
    namespace = parser().parse_args(["--label", "rose", "--epochs", "60"])
    assert given_options(namespace, Training) == {"label": "rose", "epochs": 60}
    assert given_options(namespace, Training, ["epochs", "rate"]) == {"epochs": 60}


def test_fields_that_are_no_options_come_from_the_caller() -> None:
    namespace = parser().parse_args(["--label", "rose"])
    assert read_options(namespace, Training, seen=[3], label="tulip") == Training(
        "tulip", seen=[3]
    )


def test_only_the_settings_named_become_options() -> None:
    made = argparse.ArgumentParser()
    add_options(made, Training, ["mode", "rate"])
    assert [action.dest for action in made._actions] == ["help", "mode", "rate"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--epochs", "0"], "argument --epochs: '0': expected a whole number, 1 or more"),
        (["--epochs", "1.5"], "argument --epochs: '1.5': expected a whole number, 1 or more"),
        (["--rate", "0"], "argument --rate: '0': expected a number above 0"),
        (["--rate", "inf"], "argument --rate: 'inf': expected a number above 0"),
        (["--share", "nan"], "argument --share: 'nan': expected a number from 0 to 1"),
        (["--accept", "0.5", "1.01"], "argument --accept: '1.01': expected a number from 0 to 1"),
        (["--epochs", "1", "--share", "1"], "--share: not allowed with argument --epochs"),
        (["--mode", "fats"], "Did you mean 'fast'?"),
    ],
)
def test_a_wrong_value_is_one_line_and_exit_code_2(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(*words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("train: error: ")
    assert told.count("\n") == 1
    assert complaint in told


def test_a_setting_without_a_default_has_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([])
    assert "the following arguments are required: --label" in capsys.readouterr().err


def test_the_help_is_the_documentation_with_the_default() -> None:
    text = " ".join(parser().format_help().split())
    assert "--epochs N rounds through the photos (default: 60)" in text
    assert "--rate X learning rate (default: 0.002)" in text
    assert "--mode {fast,good} how (default: good)" in text
    assert "--share X 100 % is 1 --mode" in text
    assert "--no-curve leave the curve out --teacher RUN runs --accept" in text


def test_no_default_is_named_where_a_configuration_file_decides() -> None:
    made = Parser(prog="run")
    add_options(made, Training, ["epochs"], configured=True)
    assert "default:" not in made.format_help()


def test_a_command_is_described_when_it_is_first_used() -> None:
    described: list[str] = []

    def describe(command: Parser) -> None:
        described.append(command.prog)
        add_options(command, Training, ["epochs"])

    top = Parser(prog="train")
    commands = top.add_subparsers()
    commands.add_parser("one", describe=describe)
    commands.add_parser("two", describe=describe)
    assert "--epochs" not in top.format_help()
    assert described == []
    assert top.parse_args(["two", "--epochs", "3"]).epochs == 3
    assert "--epochs" in commands.choices["two"].format_help()
    assert described == ["train two"]


def test_one_number_stands_for_all_of_a_fixed_number() -> None:
    @dataclass(frozen=True)
    class Pixels:
        mean: tuple[float, float, float] | None = setting(None, "subtracted from pixels")

    parser = Parser()
    add_options(parser, Pixels)
    assert read_options(parser.parse_args(["--mean", "127.5"]), Pixels).mean == (127.5,) * 3
    assert read_options(parser.parse_args(["--mean", "1,2,3"]), Pixels).mean == (1.0, 2.0, 3.0)
    assert read_options(parser.parse_args([]), Pixels).mean is None
    assert "--mean X[,Y,Z]" in parser.format_help()


def test_a_switch_that_turns_off_has_a_help_of_its_own() -> None:
    @dataclass(frozen=True)
    class Voice:
        enabled: bool = setting(True, "speak", option="--no-speech", option_doc="do not speak")

    parser = Parser()
    add_options(parser, Voice)
    assert "--no-speech  do not speak" in parser.format_help()
    assert not read_options(parser.parse_args(["--no-speech"]), Voice).enabled
