"""The arguments of all commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from pi_classifier import __version__
from pi_classifier.commands.parser import Parser


def parser() -> Parser:
    """The parser of all commands; the parsed `command` names a module of `commands`."""
    top = Parser(
        prog="pi-classifier",
        description="Point a camera at the world; it tells you what it sees.",
        epilog="To begin with: pi-classifier run --camera emulated",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", title="commands")
    for add in (
        _add_run,
        _add_classify,
        _add_record,
        _add_preview,
        _add_config,
        _add_cameras,
        _add_say,
        _add_models,
    ):
        add(commands)
    return top


_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001  it has no public name


def _command(
    commands: _Commands, name: str, summary: str, *, configured: bool = True
) -> argparse.ArgumentParser:
    """Add a command; `configured` ones take a configuration file and settings."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    command.set_defaults(command=name, parser=command)
    command.add_argument("--debug", action="store_true", help="log everything; show tracebacks")
    if configured:
        command.add_argument(
            "--config", type=Path, metavar="FILE", help="a configuration file to read as well"
        )
        command.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="SECTION.KEY=VALUE",
            help="one setting, such as decision.patience=5; see `pi-classifier config`",
        )
    return command


def _add_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        metavar="M",
        help="a shipped model's name, a .tflite file or a cascade.toml; "
        'without it the configured one, else "flowers"',
    )
    command.add_argument("--labels", metavar="FILE", help="label file, one label a line")
    command.add_argument(
        "--mean", type=_numbers, metavar="X[,Y,Z]", help="pixel mean a foreign model expects"
    )
    command.add_argument(
        "--std", type=_numbers, metavar="X[,Y,Z]", help="pixel range a foreign model expects"
    )


def _add_run(commands: _Commands) -> None:
    command = _command(commands, "run", "watch through the camera and tell what it sees")
    _add_model_options(command)
    _add_camera_options(command)
    command.add_argument(
        "--json", action="store_true", help="print one JSON object per decision, not its label"
    )
    command.add_argument("--no-speech", action="store_true", help="do not speak")
    command.add_argument(
        "--summary", action="store_true", help="say at the end, on stderr, how it went"
    )


def _add_source_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--camera",
        metavar="SOURCE",
        help='"pi", "webcam", "emulated", "replay:FOLDER", "replay:VIDEO", "rtsp://…" or '
        '"http://…", see `pi-classifier cameras`; without it the configured one, else "pi"',
    )


def _add_camera_options(command: argparse.ArgumentParser) -> None:
    _add_source_option(command)
    command.add_argument("--frames", type=int, metavar="N", help="end after N frames")
    command.add_argument(
        "--duration", type=float, metavar="S", help="end after S seconds of frames"
    )
    command.add_argument("--seed", type=int, metavar="N", help="what the emulated camera shows")
    command.add_argument(
        "--fast", action="store_true", help="emulated, replay: as fast as possible"
    )


def _add_record(commands: _Commands) -> None:
    command = _command(
        commands, "record", "keep what the camera sees, to be played back with replay:FOLDER"
    )
    _add_camera_options(command)
    command.add_argument(
        "--max-mb",
        type=_positive_number,
        default=1000.0,
        metavar="N",
        help="end before the recording is larger than N megabytes (default: 1000)",
    )
    command.add_argument(
        "--uncompressed",
        action="store_true",
        help="less work and more bytes: for slow processors and large disks",
    )
    command.add_argument("folder", metavar="FOLDER", help="a new folder")


def _add_preview(commands: _Commands) -> None:
    command = _command(
        commands, "preview", "show the camera's picture with labels and scores, in the terminal"
    )
    _add_model_options(command)
    _add_camera_options(command)
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--png", metavar="FILE", help="write it to FILE; seen-%%05d.png makes one file a frame"
    )
    where.add_argument(
        "--http", type=int, metavar="PORT", help="show it on a web page at this port"
    )
    command.add_argument(
        "--host",
        metavar="ADDRESS",
        help="who can see the web page: this computer (127.0.0.1, the default), or everybody on "
        "the network (0.0.0.0)",
    )
    command.add_argument(
        "--every",
        type=_positive_number,
        default=1.0,
        metavar="S",
        help="with --png, seconds between two pictures (default: 1)",
    )


def _add_classify(commands: _Commands) -> None:
    command = _command(commands, "classify", "tell what photos show")
    _add_model_options(command)
    command.add_argument(
        "--top-k", type=_positive, default=5, metavar="N", help="labels per photo"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object per photo")
    command.add_argument("images", nargs="+", metavar="IMAGE", help="photos")


def _add_config(commands: _Commands) -> None:
    command = _command(
        commands, "config", "print the effective configuration with the source of each value"
    )
    what = command.add_mutually_exclusive_group()
    what.add_argument(
        "--check",
        action="store_true",
        help="only say whether configuration and model are good; exit code 78 if not",
    )
    what.add_argument(
        "--reference", action="store_true", help="print the reference page of all settings"
    )


def _add_cameras(commands: _Commands) -> None:
    command = _command(
        commands, "cameras", "list the cameras that are here, or take a picture with one"
    )
    _add_model_options(command)
    _add_source_option(command)
    command.add_argument(
        "--snapshot",
        metavar="FILE",
        help="save a picture from the chosen camera (.png or .jpg) and tell what it shows",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object per camera")


def _add_say(commands: _Commands) -> None:
    command = _command(commands, "say", "speak a text, to try the sound")
    command.add_argument("text", nargs="*", metavar="TEXT", help="what to say")
    command.add_argument(
        "--all-labels", action="store_true", help="say what is said of each label of the model"
    )
    command.add_argument(
        "--make-only", action="store_true", help="only make the sound and keep it for later"
    )
    command.add_argument(
        "--list-voices", action="store_true", help="list the voices of the engine"
    )


def _add_models(commands: _Commands) -> None:
    command = _command(commands, "models", "tell what is in model files", configured=False)
    command.add_argument("--labels", metavar="FILE", help="label file, one label a line")
    command.add_argument("--json", action="store_true", help="print one JSON object per model")
    command.add_argument(
        "models", nargs="*", metavar="MODEL", help="names or files; default: the shipped ones"
    )


def _numbers(text: str) -> list[float]:
    values = [float(each) for each in text.split(",")]
    if len(values) not in {1, 3}:
        raise argparse.ArgumentTypeError(f"{text!r}: expected one number, or three as R,G,B")
    return values * 3 if len(values) == 1 else values


def _positive_number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1 or more")
    return value
