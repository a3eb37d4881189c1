"""The command line: words it knows, words it proposes, errors as one line and a code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import NoReturn

import pytest

from pi_classifier import __version__
from pi_classifier.cli import guarded, main
from pi_classifier.commands.arguments import parser
from pi_classifier.errors import (
    CameraTimeout,
    ConfigError,
    ImageError,
    InferenceError,
    ModelFileError,
    PiClassifierError,
    SinkError,
)


def usage_error(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rnu"], "invalid choice: 'rnu'"),
        (["rnu"], "Did you mean 'run'?"),
        (["--versoin"], "unrecognized arguments: --versoin. Did you mean '--version'?"),
        (["run", "--camra", "x"], "Did you mean '--camera'?"),
        (["run", "--camra=x"], "Did you mean '--camera'?"),
        (["run", "--zzzzzz"], "unrecognized arguments: --zzzzzz (see pi-classifier run --help)"),
        (
            ["run", "--frames", "many"],
            "argument --frames: 'many': expected a whole number, 1 or more",
        ),
        (["run", "--fra", "3"], "unrecognized arguments: --fra 3"),
        (["classify"], "the following arguments are required: IMAGE"),
        (["classify", "--top-k", "-1", "a.jpg"], "expected a whole number, 0 or more"),
        (
            ["classify", "--mean", "1,2", "a.jpg"],
            "'1,2': expected one number, or 3 with commas between",
        ),
        (["classify", "--std", "x", "a.jpg"], "argument --std: 'x': expected a number"),
        (["say"], "nothing to say: give a text, --all-labels or --list-voices"),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    shown = usage_error(capsys, *argv)
    assert shown.startswith("pi-classifier: error: ")
    assert shown.count("\n") == 1
    assert message in shown


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "classify" in captured.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"pi-classifier {__version__}\n"


def test_mean_is_one_number_or_three() -> None:
    assert parser().parse_args(["classify", "--mean", "127.5", "a.jpg"]).mean == (127.5,) * 3
    assert parser().parse_args(["classify", "--mean", "1,2,3", "a.jpg"]).mean == (1, 2, 3)


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def command() -> NoReturn:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("wrong"), 78),
        (ModelFileError("wrong"), 78),
        (InferenceError("wrong"), 70),
        (CameraTimeout("wrong"), 75),
        (ImageError("wrong"), 65),
        (SinkError("wrong"), 1),
        (PiClassifierError("wrong"), 1),
    ],
)
def test_each_error_has_its_code_and_one_line(
    capsys: pytest.CaptureFixture[str], error: PiClassifierError, code: int
) -> None:
    assert guarded(raising(error)) == code
    assert capsys.readouterr() == ("", "pi-classifier: error: wrong\n")


def test_debug_shows_where_an_error_came_from(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert guarded(raising(ConfigError("wrong")), debug=True) == 78
    assert caplog.records[0].exc_info is not None
    assert "pi-classifier: error: wrong\n" in capsys.readouterr().err


def test_ctrl_c_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "")


def test_a_fault_of_the_program_keeps_its_traceback(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert guarded(raising(ZeroDivisionError("oops"))) == 70
    assert "ZeroDivisionError: oops" in caplog.text
    assert "please report it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BrokenPipeError(), 0, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 74, "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 74, "/x: Permission denied"),
    ],
)
def test_what_the_system_refuses(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    code: int,
    message: str,
) -> None:
    with open(1, "w", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert guarded(raising(error)) == code
        print("lost")
    out, shown = capfd.readouterr()
    assert out == ""
    assert shown == (f"pi-classifier: error: {message}\n" if message else "")


def test_success_passes_the_code_on() -> None:
    assert guarded(lambda: 65) == 65
