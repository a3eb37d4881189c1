"""A model on an accelerator: a delegate library is loaded, and checked against the processor."""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

import numpy as np

from pi_classifier.errors import (
    AcceleratorUnavailable,
    ConfigError,
    ModelError,
    ModelFileError,
    ModelMismatch,
)
from pi_classifier.inference.interpreter import Interpreter, import_runtime, open_interpreter
from pi_classifier.inference.native_stderr import captured_stderr
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.printable import printable
from pi_classifier.system.folders import expanded

log = logging.getLogger(__name__)

# Of the range of the processor's own scores: accelerators compute with 8 or 16 bits.
_TOLERANCE = 0.1
_ENTRY_POINTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
_TO_INSTALL = {
    "libedgetpu": "install Coral's package libedgetpu1-std, see coral.ai/software",
    "libarmnn": "install the package libarmnn-delegate, or ARM's build of Arm NN",
}

_warned: set[str] = set()
"""Libraries that the processor stands in for: one warning each is enough."""


def open_as_set(
    model: ModelFile, settings: ModelSettings, weights: Path | None = None
) -> Interpreter:
    """Load a model as the settings say, on their accelerator if they name one.

    There it is run beside the processor, which has to give the same scores; a model that is
    compiled for the accelerator alone is not. Raises what `open_interpreter` does,
    `ConfigError` where the library is missing or is none, `AcceleratorUnavailable` where it
    cannot use its device, `ModelMismatch` where the scores differ; with
    `delegate_fallback` only what the processor cannot run either.
    """
    if not settings.delegate:
        return open_interpreter(model, settings.runtime, settings.num_threads, weights)
    try:
        return _accelerated(model, settings)
    except (ConfigError, ModelError) as error:
        if not settings.delegate_fallback:
            raise
        try:
            interpreter = open_interpreter(model, settings.runtime, settings.num_threads)
        except ModelFileError:  # compiled for the accelerator
            raise error from None
        if settings.delegate not in _warned:
            _warned.add(settings.delegate)
            log.warning("the processor runs the model, as model.delegate_fallback says: %s", error)
        return interpreter


def _accelerated(model: ModelFile, settings: ModelSettings) -> Interpreter:
    delegate = _loaded(settings)
    try:
        interpreter = open_interpreter(
            model, settings.runtime, settings.num_threads, delegate=delegate
        )
    except ModelFileError as error:
        raise ModelFileError(
            f"{error}; that is with the library {settings.delegate}: without model.delegate the "
            "processor runs it"
        ) from error
    try:
        _compare(model, interpreter, settings)
    except BaseException:
        interpreter.close()
        raise
    return interpreter


def _loaded(settings: ModelSettings) -> object:
    """The delegate that the library makes with the options of the settings."""
    _, module = import_runtime(settings.runtime)
    library = _library(settings.delegate)
    with captured_stderr(watched=True) as native:
        try:
            # The runtime would say nothing of what is wrong with the file.
            opened = ctypes.CDLL(library)
        except OSError as error:
            raise ConfigError(
                f"model.delegate = {settings.delegate!r} cannot be loaded "
                f"({printable(str(error))}); {_how_to_install(library)}, or let the processor run "
                "the model: remove the setting, or set model.delegate_fallback to true"
            ) from error
        missing = [name for name in _ENTRY_POINTS if not hasattr(opened, name)]
        if missing:
            raise ConfigError(
                f"model.delegate = {settings.delegate!r} is no TFLite delegate: it lacks "
                f"{missing[0]}; name the accelerator's own library, such as libedgetpu.so.1"
            )
        try:
            return module.load_delegate(library, settings.delegate_options)
        except ValueError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            # The first names the library, which is known.
            reason = native.errors or "; ".join(lines[1:]) or "it gives no reason"
            raise AcceleratorUnavailable(
                f"model.delegate = {settings.delegate!r}: the library cannot use its accelerator "
                f"({printable(reason)}); check that it is plugged in, that no other program uses "
                "it, that this user may open it, and model.delegate_options"
            ) from error


def _library(delegate: str) -> str:
    """What the loader takes: a whole path, or a name alone that it looks for by itself."""
    if "/" not in delegate:
        return delegate
    path = expanded(delegate).absolute()
    if path.exists() and not path.is_file():  # from a pipe the loader would read for ever
        raise ConfigError(
            f"model.delegate = {delegate!r} is no file; give the path of the accelerator's "
            "library, such as /usr/lib/aarch64-linux-gnu/libedgetpu.so.1"
        )
    return str(path)


def _how_to_install(library: str) -> str:
    name = Path(library).name
    for start, advice in _TO_INSTALL.items():
        if name.startswith(start):
            return advice
    return "install the library that came with the accelerator, or give its path"


def _compare(model: ModelFile, interpreter: Interpreter, settings: ModelSettings) -> None:
    """Run extremes and noise on both; raises `ModelMismatch` where the scores differ."""
    try:
        processor = open_interpreter(model, settings.runtime, settings.num_threads)
    except ModelFileError:
        log.info(
            "%s: is compiled for the accelerator; the processor cannot check its scores",
            model.path,
        )
        return
    noise = np.random.default_rng(1).integers(0, 256, (*model.input_size, 3), np.uint8)
    try:
        for picture in (np.zeros_like(noise), np.full_like(noise, 255), noise):
            expected = processor.invoke(picture).copy()
            scores = interpreter.invoke(picture)
            allowed = _TOLERANCE * max(1.0, float(np.ptp(expected)))
            off = float(np.abs(scores - expected).max())
            if not off <= allowed:  # not-a-number must fail, too
                raise ModelMismatch(
                    f"{model.path}: with the library {settings.delegate} a score differs by "
                    f"{off:.3f} from the processor's, {allowed:.3g} at most expected; update the "
                    "library, or remove model.delegate"
                )
    finally:
        processor.close()
