"""pi-classifier-train: the workstation's commands."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pi_classifier import __version__
from pi_classifier.commands.parser import Parser
from pi_classifier.errors import (
    EXIT_INTERRUPTED,
    EXIT_SYSTEM,
    PiClassifierError,
)
from pi_classifier.inference.native_stderr import captured_stderr
from pi_classifier.logs.handlers import LineFormatter
from pi_classifier.printable import printable
from pi_classifier.system.files import told
from pi_classifier_training.commands import MODULES
from pi_classifier_training.errors import EXIT_UNAVAILABLE
from pi_classifier_training.progress import LogHandler, working

PROGRAM = "pi-classifier-train"
# An error may quote what it complains of.
_LONGEST = 4000
# What the distribution pi-classifier-training installs.
EXTRA_PACKAGES = frozenset(
    {
        "absl",
        "flatbuffers",
        "h5py",
        "jinja2",
        "keras",
        "matplotlib",
        "scipy",
        "sklearn",
        "tensorboard",
        "tensorflow",
        "threadpoolctl",
        "tqdm",
    }
)
# What its extra `cluster` installs.
CLUSTER_PACKAGES = frozenset({"fsspec", "pandas", "pyarrow", "ray"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code of the error tree, 0 for success."""
    again = ""
    try:
        options = _parse(arguments)
        again = _going_on(options)
        return _run(options)
    except PiClassifierError as error:
        return _complain(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_PACKAGES | CLUSTER_PACKAGES:
            raise
        what, line = ("the training bench", "./training")
        if package in CLUSTER_PACKAGES:
            what, line = ("its extra for several machines", "'./training[cluster]'")
        return _complain(
            f"the package {package} is needed and not installed; install {what}, "
            f"in a clone of the repository: pip install . {line}",
            EXIT_UNAVAILABLE,
        )
    except OSError as error:
        return _complain(told(error), EXIT_SYSTEM)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; nothing half-written was left{again}", file=sys.stderr)
        return EXIT_INTERRUPTED


def _going_on(options: argparse.Namespace) -> str:
    """What a command that was stopped says of giving it again."""
    if not options.goes_on:
        return ""
    without = " without --force" if options.force else ""
    return f"; the same command{without} goes on from here"


def _complain(message: str, code: int) -> int:
    print(f"{PROGRAM}: error: {printable(message, _LONGEST)}", file=sys.stderr)
    return code


def _run(options: argparse.Namespace) -> int:
    handler = LogHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(message)s"))
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, handlers=[handler]
    )
    if options.starts_tensorflow:
        _start_tensorflow()
    _copy_photos(options)
    code: int = options.run(options)
    return code


def _copy_photos(options: argparse.Namespace) -> None:
    """Put folders in the place of addresses: no command need know of others."""
    given = getattr(options, "image_dir", None)
    if isinstance(given, list) and any(isinstance(place, str) for place in given):
        from pi_classifier_training.data.mirror import local_copy

        options.image_dir = [
            local_copy(place) if isinstance(place, str) else place for place in given
        ]


def _start_tensorflow() -> None:
    """Import TensorFlow, whose start-up lines say nothing a user could act on.

    With ``--verbose`` they are logged.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # no stderr: nobody to tell
            shown = stack.enter_context(os.fdopen(os.dup(2), "w"))
            stack.enter_context(working("starting TensorFlow", shown))
        stack.enter_context(captured_stderr())
        import_module("tensorflow")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options: argparse.Namespace
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        # The command's own parser knows the options that may have been meant.
        options.parser.unknown(unknown)
    return options


def parser() -> Parser:
    """The whole command line."""
    top = Parser(
        prog=PROGRAM,
        description="Turn a folder of photos into a small model for a Raspberry Pi.",
    )
    top.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    top.add_argument("--verbose", action="store_true", help="log details")
    top.set_defaults(starts_tensorflow=False, goes_on=False)
    commands = top.add_subparsers(required=True, dest="command", metavar="COMMAND")
    for module in MODULES:
        import_module(f"pi_classifier_training.commands.{module}").add(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return top


if __name__ == "__main__":
    sys.exit(main())
