"""Tries a model in a process of its own before this one opens it.

A file can be well-formed and still lie, about a tensor's shape, say, and the runtimes believe
it: some such files end the process that opens them with a signal. A service that is asked to
reload one must live on, and `config --check` must be able to say what is wrong.

This module is also the child: `python -m pi_classifier.inference.verifier` opens the model
that the settings on its standard input name.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from pi_classifier.errors import ModelFileError, PiClassifierError
from pi_classifier.inference.classifier import ModelSettings, open_classifier
from pi_classifier.system.python_child import module_command, with_this_package

CHILD = module_command("pi_classifier.inference.verifier")

# Reading and packing a large model from a slow card, on a small processor.
_LIMIT_S = 120.0


def verify_model(settings: ModelSettings) -> None:
    """Open the model once in a child process, with its self-test and first run.

    Raises `ModelFileError` where that ends with a signal, or not at all. What is wrong in
    any other way is left to be said by `open_classifier`, which the caller calls next.
    """
    try:
        done = subprocess.run(
            CHILD,
            input=json.dumps(asdict(settings)).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=with_this_package(os.environ),
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelFileError(
            f"{settings.path}: was not opened and run within {_LIMIT_S:.0f} s when it was tried; "
            "check that it is a model for this computer's size"
        ) from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ModelFileError(
            f"{settings.path}: ended the runtime with {name} when it was tried: the file is "
            "damaged, or what it says of itself is wrong; export or convert it again"
        )


def main() -> int:
    """The child: 0 where the model was opened and run."""
    given: dict[str, Any] = json.load(sys.stdin)
    # JSON has lists only.
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    settings = ModelSettings(**values)
    try:
        open_classifier(settings).close()
    except PiClassifierError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
