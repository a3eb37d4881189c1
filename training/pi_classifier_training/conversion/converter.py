"""The TFLite converter, called in one way and kept quiet."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from pi_classifier_training.errors import ExportError

Function = Callable[[Any], Any]


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
            raise ExportError(f"the TFLite converter failed on {name}: {error}") from error
    return data


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the converter's chatter off standard error; its C++ part comes back on failure."""
    import absl.logging

    absl.logging.set_verbosity(absl.logging.ERROR)
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
