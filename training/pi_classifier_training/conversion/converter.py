"""The TFLite converter, called in one way and kept quiet."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from pi_classifier_training.errors import ExportError

log = logging.getLogger(__name__)

Function = Callable[[Any], Any]
# How the converter says that TFLite has no such operation; once for each place it stands at.
_NO_OPERATION = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_LONGEST_LINE = 300


def to_tflite(
    function: Function, side: int, name: str, settings: Callable[[Any], None] = lambda _: None
) -> bytes:
    """Convert a TensorFlow function from one picture to scores to a bare TFLite flatbuffer.

    `function` takes float32 ``[1, side, side, 3]``; `settings` gets the converter and
    may set its options. `name` stands for the network in errors. Raises ExportError.
    """
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, side, side, 3), tf.float32, "image")])  # type: ignore[untyped-decorator]
    def scores(image: Any) -> Any:
        return {"scores": function(image)}

    concrete = scores.get_concrete_function()
    with quiet():
        # Without the model beside it the converter freezes variables and folds the batch norms.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        settings(converter)
        try:
            data: bytes = converter.convert()
        except Exception as error:
            raise refusal(name, error) from error
    return data


def refusal(name: str, error: Exception) -> ExportError:
    """What the converter's error on `name` comes to, in one line: it may print the whole graph."""
    log.debug("%s: %s", name, error)
    operations = sorted(set(_NO_OPERATION.findall(str(error))))
    if operations:
        return ExportError(
            f"{name}: uses what TFLite has no operation for ({', '.join(operations)}); such "
            "steps must be left out of the network, or written with other layers"
        )
    return ExportError(f"the TFLite converter failed on {name}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """The first line of what an error says, at most 300 characters."""
    line = next((line for line in str(error).splitlines() if line.strip()), repr(error)).strip()
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} …"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the converter's chatter off standard error, where it may print a whole graph.

    With logging at DEBUG it comes through.
    """
    import absl.logging

    if log.isEnabledFor(logging.DEBUG):
        yield
        return
    absl.logging.set_verbosity(absl.logging.ERROR)
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
