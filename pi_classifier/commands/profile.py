"""`pi-classifier profile`: where a model's time goes on this machine, operation by operation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, read_options
from pi_classifier.errors import ConfigError
from pi_classifier.inference.classifier import describe_models
from pi_classifier.inference.interpreter import RUNTIMES
from pi_classifier.measuring.operations import profile
from pi_classifier.measuring.profile_picture import as_svg
from pi_classifier.measuring.profile_report import as_csv, lines, record
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.locate import find_model
from pi_classifier.printable import json_text
from pi_classifier.setting import setting
from pi_classifier.system.files import write_atomic


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """The command's own options."""

    threads: int = setting(1, "threads the runtime may use", minimum=1, maximum=64)
    runs: int = setting(30, "how often each operation is timed", minimum=2, maximum=100_000)
    runtime: str = setting("auto", "what runs the model", choices=RUNTIMES)
    labels: str | None = setting(None, "label file, one label a line", metavar="FILE")
    key_file: str | None = setting(
        None, "file with the key of a model that is encrypted", metavar="FILE"
    )
    json: bool = setting(False, "print one JSON object per model")
    csv: bool = setting(False, "print a line with commas for each operation")
    picture: Path | None = setting(None, "draw the operations' times", metavar="FILE.svg")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    add_options(command, ProfileOptions, exclusive=("json", "csv"))
    command.add_argument("model", metavar="MODEL", help="a shipped model's name, or a file")


def main(arguments: argparse.Namespace) -> int:
    """Measure the model, or each of a cascade's; raises ModelError, ConfigError, OSError."""
    options = read_options(arguments, ProfileOptions)
    path = find_model(arguments.model)
    paths = [path]
    if path.suffix == ".toml":
        paths = [entry.model for entry in read_cascade_file(path).stages]
    _check_picture(options.picture, paths)
    models = describe_models(paths, options.labels, options.key_file)
    profiles = [profile(model, options.runtime, options.threads, options.runs) for model in models]
    if options.picture is not None:
        write_atomic(options.picture, as_svg(profiles[0]).encode())
    if options.csv:
        print(as_csv(profiles), end="")
        return 0
    for number, measured in enumerate(profiles):
        if options.json:
            print(json_text(record(measured)))
        else:
            print("\n" * bool(number) + "\n".join(lines(measured)))
    return 0


def _check_picture(picture: Path | None, paths: list[Path]) -> None:
    """Before anything is measured, which takes a while."""
    if picture is None:
        return
    if picture.suffix.lower() != ".svg":
        raise ConfigError(f"--picture {picture}: expected a name ending in .svg")
    if picture.is_dir():
        raise ConfigError(f"--picture {picture}: is a folder; name a file in it")
    if not picture.parent.is_dir():
        raise ConfigError(f"--picture {picture}: there is no folder {picture.parent}; make it")
    if len(paths) > 1:
        names = ", ".join(str(path) for path in paths)
        raise ConfigError(f"--picture: a cascade has several models; name one of them: {names}")
