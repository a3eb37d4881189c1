"""Every command: described when it is used, with errors of one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pi_classifier_training.cli import main, parser
from pi_classifier_training.commands.arguments import require_folder
from pi_classifier_training.errors import TrainingError

COMMANDS = (
    "auto", "retrain", "experiments", "evaluate", "compare", "report", "export", "import",
    "deliver", "quantize", "round", "measure-folding", "calibrate", "inspect", "fetch",
    "split-video", "check-data", "render-scenes",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_all_its_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    assert f"pi-classifier-train {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["retrian"], "Did you mean 'retrain'?"),
        (["round", "a", "b", "--savin", "0.7"], "Did you mean '--saving'?"),
        (["round", "a", "b", "--saving", "2"], "--saving: '2': expected a number from 0 to 1"),
        (["compare", "a", "--image-dir", "b", "--fail-if-worse", "101"], "from 0 to 100"),
        (["compare", "a", "--image-dirs", "b"], "--image-dirs. Did you mean '--image-dir'?"),
        (["split-video", "a", "--image-dir", "b", "--label", ".a"], "cannot be a folder's name"),
        (
            ["split-video", "a", "--image-dir", "b", "--label", "a", "--start", "2", "--end", "1"],
            "--end 1 lies before --start 2",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("pi-classifier-train: error: ")
    assert text.count("\n") == 1
    assert complaint in text


@pytest.mark.parametrize(
    ("output", "complaint"),
    [(".", "is a folder; name the file"), ("none/out.tflite", "there is no folder")],
)
def test_where_nothing_can_be_written_round_does_not_begin(
    output: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even the model is looked for: it would be minutes until the file is written."""
    assert main(["round", "no-model.tflite", str(tmp_path / output)]) == 78
    message = capsys.readouterr().err
    assert complaint in message
    assert "no-model" not in message


def test_a_folder_that_is_shut_is_named() -> None:
    # Nobody may make a file there, not even root, who runs this in containers.
    with pytest.raises(TrainingError, match=r"out\.tflite: files cannot be written in the folder"):
        require_folder(Path("/proc/out.tflite"))


def test_a_missing_package_of_the_bench_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(_options: object) -> None:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr("pi_classifier_training.cli._run", lacking)
    assert main(["experiments", "runs"]) == 69
    assert "the package sklearn is needed and not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "then"),
    [
        (["auto", "--output-dir", "out"], "; the same command goes on from here"),
        (["retrain", "--output-dir", "out", "--force"],
         "; the same command without --force goes on from here"),
        (["evaluate", "model"], ""),
    ],
)  # fmt: skip
def test_a_command_that_is_stopped_says_in_one_line_how_it_goes_on(
    words: list[str],
    then: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pi_classifier_training.cli._run", stopped)
    assert main([*words, "--image-dir", "photos"]) == 130
    line = f"pi-classifier-train: stopped; nothing half-written was left{then}\n"
    assert capsys.readouterr().err == line


def test_the_help_of_all_commands_imports_what_none_of_them_needs() -> None:
    program = (
        "import sys\nfrom pi_classifier_training.cli import parser\nparser().format_help()\n"
        "print(sorted({'numpy', 'PIL', 'tensorflow', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
