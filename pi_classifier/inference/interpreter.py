"""Runs a model file: the only module that imports a TFLite runtime.

LiteRT (package ai-edge-litert) where it is installed, tflite-runtime otherwise. With
LiteRT the weights packed for the processor can come from a file that is mapped into
memory like the model itself; without one the runtime keeps a private copy of them.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np

from pi_classifier.errors import ConfigError, InferenceError, ModelFileError, ModelMismatch
from pi_classifier.inference.cpu_features import this_lacks_atomics
from pi_classifier.inference.native_stderr import captured_stderr, silence_exit
from pi_classifier.inference.quantization import PixelEncoder, Pixels, ScoreDecoder, Scores, Tensor
from pi_classifier.inference.weight_cache import WeightCache
from pi_classifier.modelfile.model_copy import ModelSource
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.printable import printable
from pi_classifier.system.files import told

log = logging.getLogger(__name__)

Runtime = Literal["auto", "litert", "tflite"]
RUNTIMES = ("auto", "litert", "tflite")

_MODULES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}
_PACKAGES = {
    "litert": "ai-edge-litert (64-bit systems)",
    "tflite": "tflite-runtime (Python 3.11 or older, with numpy below 2)",
}


class _Runner(Protocol):
    """One runtime's way of running one network."""

    name: str

    def run(self, tensor: Tensor) -> Tensor: ...

    def close(self) -> None: ...


class Interpreter:
    """A model that is ready to run; made by `open_interpreter`. It serves one thread."""

    def __init__(self, model: ModelFile, runner: _Runner) -> None:
        self._encode = PixelEncoder(model.input, model.normalization, model.channels)
        self._decode = ScoreDecoder(model.output)
        self._runner: _Runner | None = runner
        self._path = model.path
        self._shape = (*model.input_size, 3)
        self.runtime = runner.name

    def invoke(self, pixels: Pixels) -> Scores:
        """Return scores float32 ``[labels]`` for uint8 RGB pixels ``[height, width, 3]``.

        The array is overwritten by the next call. Raises `InferenceError`.
        """
        if self._runner is None:
            raise InferenceError(f"{self._path}: the model was closed; open it again")
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise InferenceError(
                f"{self._path}: got {pixels.dtype} {list(pixels.shape)}; expected uint8 "
                f"{list(self._shape)}, as the Preprocessor makes"
            )
        try:
            return self._decode(self._runner.run(self._encode(pixels)))
        except (RuntimeError, ValueError) as error:
            raise InferenceError(f"{self._path}: the runtime failed: {error}") from error

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            with captured_stderr():
                runner.close()


def open_interpreter(
    model: ModelFile,
    runtime: str = "auto",
    num_threads: int = 1,
    weights: Path | None = None,
    delegate: object = None,
) -> Interpreter:
    """Load `model` with one of `RUNTIMES` and run it once; "auto" is LiteRT where there is one.

    `weights` is a file of the model's packed weights, which LiteRT then maps into memory. It
    trusts that file blindly: see `WeightCache.verified`. A `delegate` of the runtime, which has
    no use for them, takes over what it can. Raises `ConfigError` where the runtime is missing,
    `ModelFileError` where it cannot run the model, `ModelMismatch` for scores of no numbers.
    """
    name, module = import_runtime(runtime)
    if weights is not None:
        return _tried(model, name, partial(_MappedRunner, model, num_threads, weights))
    return _tried(model, name, partial(_PlainRunner, model, name, module, num_threads, delegate))


def weight_cache(
    source: ModelSource, runtime: str, cache_dir: Path | None, delegate: str = ""
) -> WeightCache | None:
    """Where the packed weights of a model are kept; None where they cannot be or may not be."""
    # Where not even a copy could be kept, weights would not be; those of an encrypted model
    # are what its encryption hides.
    if cache_dir is None or delegate or not source.is_copied or source.memory is not None:
        return None
    name, module = import_runtime(runtime)
    if name != "litert" or not _can_map_weights() or not _compiled_model_is_safe(module):
        return None
    return WeightCache(cache_dir, source.sha256, runtime_identity(runtime))


def runtime_identity(runtime: str) -> str:
    """Return the name and the version of what `runtime` stands for here, as "litert2.3.0"."""
    name, module = import_runtime(runtime)
    package = importlib.import_module(module.__name__.partition(".")[0])
    return f"{name}{getattr(package, '__version__', '')}"


def pack_weights(model: ModelFile, num_threads: int, cache: WeightCache) -> tuple[int, str]:
    """Let LiteRT pack the weights of `model`; returns their size, and why they were not kept.

    They are packed in memory, since LiteRT ends the process (SIGABRT) where a file of its
    own cannot grow, and then written to `cache`. Raises `ModelFileError` where LiteRT
    refuses the model this way, which need not mean that it cannot run it.
    """
    if "int16" in (model.input.dtype, model.output.dtype):
        return 0, ""  # CompiledModel knows none
    with os.fdopen(os.memfd_create("weights"), "w+b") as packed:
        path = Path(f"/proc/self/fd/{packed.fileno()}")
        _tried(model, "litert", partial(_MappedRunner, model, num_threads, path)).close()
        size = os.fstat(packed.fileno()).st_size
        try:
            if size:
                packed.seek(0)
                cache.keep(packed)
        except OSError as error:
            return size, told(error)
        return size, ""


def _can_map_weights() -> bool:
    # ai-edge-litert 1 has no CompiledModel.
    return importlib.util.find_spec("ai_edge_litert.compiled_model") is not None


def _tried(model: ModelFile, name: str, load: Callable[[], _Runner]) -> Interpreter:
    """Load the model and run it on a gray picture, as frames will be run.

    A runtime finds much of what is wrong only when it runs. What it prints is kept from stderr.
    """
    gray = np.full((*model.input_size, 3), 128, np.uint8)
    with captured_stderr(watched=True) as native:
        try:
            interpreter = Interpreter(model, load())
            scores = interpreter.invoke(gray)
        except (RuntimeError, ValueError) as error:
            reason = printable(str(error.__cause__ or error))
            raise ModelFileError(
                f"{model.path}: {name} cannot run this model ({reason}); check that the file is "
                "whole and was converted for TFLite with only built-in operators"
            ) from error
    if not np.isfinite(scores).all():
        interpreter.close()
        raise ModelMismatch(
            f"{model.path}: gives scores that are not numbers for a gray picture; check its "
            "mean and std, or train and convert it again"
        )
    if native.errors:
        log.warning("%s: %s reports: %s", model.path, name, native.errors)
    log.debug("%s: runs on %s", model.path, interpreter.runtime)
    return interpreter


def installed_runtimes() -> tuple[str, ...]:
    """Return which of "litert" and "tflite" can be imported here, the preferred one first."""
    return tuple(name for name in _MODULES if _try_import(name)[0] is not None)


def import_runtime(runtime: str) -> tuple[str, ModuleType]:
    """The name and the module of what `runtime` stands for here. Raises ConfigError."""
    wanted = list(_MODULES) if runtime == "auto" else [runtime]
    reasons = []
    for name in wanted:
        module, reason = _try_import(name)
        if module is not None:
            return name, module
        reasons.append(f"{name}: {reason}")
    packages = " or ".join(_PACKAGES[name] for name in wanted)
    raise ConfigError(
        f"runtime = {runtime!r} cannot be used ({'; '.join(reasons)}); install {packages} with pip"
    )


@functools.cache
def _try_import(name: str) -> tuple[ModuleType | None, str]:
    # A wheel for another C library or numpy fails with other errors than ImportError.
    try:
        with captured_stderr():
            return importlib.import_module(_MODULES[name]), ""
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        return None, printable(str(error))


def _compiled_model_is_safe(module: ModuleType) -> bool:
    """Whether CompiledModel does not end the process here.

    It loads LiteRT's plug-in for graphics processors unasked, and ai-edge-litert 2.3's kills
    the process (SIGILL) on ARM processors without LSE atomics. No option keeps it out; the
    Debian package leaves its file out.
    """
    plugins = sorted(Path(str(module.__file__)).parent.glob("libLiteRt*Accelerator.so"))
    if not plugins or not this_lacks_atomics():
        return True
    log.info(
        "The weights stay in memory: to map them LiteRT would load %s, which this processor "
        "cannot run; remove that file, nothing here needs it",
        plugins[0],
    )
    return False


class _PlainRunner:
    """The Interpreter that LiteRT and tflite-runtime have in common.

    It maps the model file, or takes it from memory; XNNPACK packs a private copy of the weights.
    """

    def __init__(
        self,
        model: ModelFile,
        name: str,
        module: ModuleType,
        num_threads: int,
        delegate: object = None,
    ) -> None:
        self.name = name
        content, path = model.content, str(model.file)
        interpreter = module.Interpreter(
            **{"model_path": path} if content is None else {"model_content": content},
            num_threads=num_threads,
            experimental_delegates=None if delegate is None else [delegate],
        )
        interpreter.allocate_tensors()
        self._interpreter: Any = interpreter
        self._input = interpreter.tensor(interpreter.get_input_details()[0]["index"])
        self._output = interpreter.tensor(interpreter.get_output_details()[0]["index"])

    def run(self, tensor: Tensor) -> Tensor:
        # The views into the runtime's memory must be gone when it runs.
        np.copyto(self._input(), tensor)
        self._interpreter.invoke()
        output: Tensor = self._output()
        return output

    def close(self) -> None:
        del self._input, self._output, self._interpreter


class _MappedRunner:
    """LiteRT's CompiledModel, which can take packed weights from a mapped file."""

    name = "litert with mapped weights"

    def __init__(self, model: ModelFile, num_threads: int, weights: Path) -> None:
        compiled = importlib.import_module("ai_edge_litert.compiled_model")
        options = compiled.Options(
            cpu_options=compiled.CpuOptions(
                num_threads=num_threads, xnnpack_weight_cache_path=str(weights)
            )
        )
        self._model: Any = compiled.CompiledModel.from_file(
            str(model.file), environment=_environment(), options=options
        )
        self._inputs = self._model.create_input_buffers(0)
        self._outputs = self._model.create_output_buffers(0)
        # LiteRT sets up (and reports on) more of itself when it first gets data.
        self._inputs[0].write(np.zeros(model.input.shape, model.input.dtype))
        self._count = model.output.count
        self._dtype = np.dtype(model.output.dtype)

    def run(self, tensor: Tensor) -> Tensor:
        self._inputs[0].write(tensor)
        self._model.run_by_index(0, self._inputs, self._outputs)
        output: Tensor = self._outputs[0].read(self._count, self._dtype)
        return output

    def close(self) -> None:
        del self._inputs, self._outputs
        self._model.close()


@functools.cache
def _environment() -> Any:
    """LiteRT's environment, one for all models, without the vendors' plug-ins.

    A folder that is not there keeps it from trying each vendor's library in turn.
    """
    module = importlib.import_module("ai_edge_litert.environment")
    package = Path(str(module.__file__)).parent
    none = str(package / "none")
    options = module.EnvironmentOptions(
        runtime_path=str(package), compiler_plugin_path=none, dispatch_library_path=none
    )
    # Its destructor reports every plug-in it unloads on stderr.
    atexit.register(silence_exit)
    return module.Environment.create(options=options)
