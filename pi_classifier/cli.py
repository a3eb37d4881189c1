"""The command line: which command is meant, and errors as one line.

Labels and other results go to stdout, logs and errors to stderr. Each command is
imported when it is used, so that starting one does not wait for the others.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from pi_classifier import __version__
from pi_classifier.commands.arguments import parser
from pi_classifier.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_SYSTEM,
    EXIT_USAGE,
    ConfigError,
    PiClassifierError,
)
from pi_classifier.logs.events import Event, entry
from pi_classifier.masking import masked
from pi_classifier.printable import printable, printable_lines
from pi_classifier.system.files import told
from pi_classifier.system.stdio import crash_report, ensure_stdio
from pi_classifier.system.systemd import under_journal

# A line of an error may quote what it complains of.
_LONGEST = 4000


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Usage errors exit with 2."""
    ensure_stdio()
    top = parser()
    try:
        arguments, unknown = top.parse_known_args(argv)
    except KeyboardInterrupt:  # a command's settings are being imported
        return EXIT_INTERRUPTED
    if not hasattr(arguments, "command"):
        if unknown:
            top.unknown(unknown)
        top.print_help(sys.stderr)
        return EXIT_USAGE
    if unknown:
        arguments.parser.unknown(unknown)
    return guarded(lambda: _perform(arguments), debug=arguments.debug)


def _perform(arguments: argparse.Namespace) -> int:
    module = import_module(f"pi_classifier.commands.{arguments.command}")
    return int(module.main(arguments))


def guarded(command: Callable[[], int], *, debug: bool = False) -> int:
    """Run a command and turn what it raises into one line on stderr and an exit code."""
    crash_report()
    try:
        code = command()
        sys.stdout.flush()
    except PiClassifierError as error:
        return _complain(error, error.exit_code, debug=debug)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of the output has gone: nobody to tell
        _abandon_stdout()
        return 0
    except OSError as error:
        _abandon_stdout()
        return _complain(error, EXIT_SYSTEM, debug=debug, message=told(error))
    except Exception:
        logging.getLogger(__name__).exception(
            "this should not have happened:", extra=entry(Event.FAULT)
        )
        _print_to_stderr(
            f"pi-classifier: error: a fault of pi-classifier {__version__} itself, not yours; "
            "please report it with the lines above"
        )
        return EXIT_BUG
    return code


def _complain(error: Exception, code: int, *, debug: bool, message: str | None = None) -> int:
    if debug:
        logging.getLogger(__name__).error("where it came from:", exc_info=error)
    # Whatever was named may be a camera's address, in the place of a model or a file, too.
    text = masked(message or str(error))
    if under_journal():
        from pi_classifier.logs.handlers import log_end

        log_end(error, text)
    else:
        # Only the mistakes of a configuration are several lines.
        shown = printable_lines if isinstance(error, ConfigError) else printable
        _print_to_stderr(f"pi-classifier: error: {shown(text, _LONGEST)}")
    return code


def _print_to_stderr(text: str) -> None:
    from pi_classifier.logs.handlers import print_to_stderr

    print_to_stderr(text)


def _abandon_stdout() -> None:
    """Let what is still unwritten go nowhere, or the interpreter's exit fails on it again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
