"""pi-classifier-train: the workstation's commands."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from pi_classifier import __version__
from pi_classifier.errors import PiClassifierError
from pi_classifier.suggest import suggestion
from pi_classifier_training.commands import MODULES

PROGRAM = "pi-classifier-train"
# What the distribution pi-classifier-training installs.
EXTRA_PACKAGES = frozenset(
    {
        "absl",
        "flatbuffers",
        "h5py",
        "jinja2",
        "keras",
        "matplotlib",
        "tensorboard",
        "tensorflow",
        "tqdm",
    }
)
EXIT_UNAVAILABLE = 69
EXIT_IO = 74
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and propose what was probably meant."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        word = re.search(r"invalid choice: '([^']+)'|unrecognized arguments: (\S+)", message)
        if word is not None:
            message += suggestion(word[1] or word[2], self._known(option=bool(word[2])))
        self.exit(2, f"{PROGRAM}: error: {message} (see {self.prog} --help)\n")

    def _known(self, *, option: bool) -> list[str]:
        if option:
            return [text for action in self._actions for text in action.option_strings]
        return [str(c) for action in self._actions for c in action.choices or ()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code of the error tree, 0 for success."""
    options = _parse(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(message)s",
        stream=sys.stderr,
    )
    # TensorFlow's own start-up lines say nothing a user could act on.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        code: int = options.run(options)
    except PiClassifierError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRA_PACKAGES:
            raise
        print(
            f"{PROGRAM}: error: {options.command} needs the package {error.name}, which is not "
            "installed; install the training bench, in a clone of the repository: "
            "pip install . ./training",
            file=sys.stderr,
        )
        return EXIT_UNAVAILABLE
    except OSError as error:
        print(f"{PROGRAM}: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_IO
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; nothing half-written was left", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        # The command's own parser knows the options that may have been meant.
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog=PROGRAM,
        description="Turn a folder of photos into a small model for a Raspberry Pi.",
    )
    top.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    top.add_argument("--verbose", action="store_true", help="log details")
    commands = top.add_subparsers(required=True, dest="command", metavar="COMMAND")
    for module in MODULES:
        import_module(f"pi_classifier_training.commands.{module}").add(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return top


if __name__ == "__main__":
    sys.exit(main())
