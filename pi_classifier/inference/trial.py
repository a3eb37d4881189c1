"""The child that tries models: it opens and runs each as the service will, within bounds.

`python -m pi_classifier.inference.trial` is told on its standard input which models, and
with what settings (see `pi_classifier.inference.verifier`), and writes a line of JSON for
each that it came to. What libraries print goes to stderr as it is: the last of it may be
all that is heard of a model.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier.errors import InferenceError, ModelFileError, PiClassifierError
from pi_classifier.inference import native_stderr
from pi_classifier.inference.accelerator import open_as_set
from pi_classifier.inference.classifier import read_to_run, start_model
from pi_classifier.inference.interpreter import pack_weights, runtime_identity, weight_cache
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.trial_verdict import too_large
from pi_classifier.modelfile.model_copy import ModelSource
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.modelfile.picture_input import takes_bytes
from pi_classifier.system.memory_file import MemoryFile, forbid_core_dumps
from pi_classifier.system.python_child import bound_this_process, free_memory_bytes

log = logging.getLogger(__name__)

# A share of what is free, so that other programs, and the service that reloads, go on.
_MEMORY_SHARE = 0.75
_LEAST_MEMORY, _MOST_MEMORY = 64 << 20, 1 << 30
# A model takes about twice its size, where its weights stay in memory.
_SCARCE = 3
# Weights become at most eight times their size when they are packed: from 4 to 32 bits.
_LEAST_FILE, _FILE_GROWTH = 64 << 20, 8
_PROCESSOR_S = 60.0


def main() -> int:
    """Try the models that standard input names; 0 where each came to a verdict."""
    verdicts = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    native_stderr.let_through()
    given: dict[str, Any] = json.load(sys.stdin)
    # JSON has lists only.
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given["settings"].items()
    }
    settings = ModelSettings(**values)
    sources = [_source(*model) for model in given["models"]]
    runtime_identity(settings.runtime)  # imported before what it takes is counted
    memory_bytes = _bound(sources, settings.num_threads)
    if any(source.memory is not None for source in sources):
        forbid_core_dumps()
    cache_dir = None if given["cache_dir"] is None else Path(given["cache_dir"])
    for source in sources:
        verdict = _verdict(source, settings, cache_dir, describing=given["describing"])
        if "error" in verdict and memory_bytes < _SCARCE * source.file.stat().st_size:
            free = (
                f"{memory_bytes / 1e6:.0f} MB of memory were free for it, which may be too little"
            )
            verdict = {**verdict, "text": f"{verdict['text']} ({free})"}
        print(json.dumps(verdict), file=verdicts, flush=True)
    return 0


def _source(path: str, file: str, sha256: str, descriptor: int | None) -> ModelSource:
    """A model as the parent sees it; one in memory comes as a descriptor."""
    memory = None if descriptor is None else MemoryFile(descriptor)
    return ModelSource(Path(path), Path(file), sha256, memory=memory)


def _bound(sources: list[ModelSource], num_threads: int) -> int:
    """Bound this process; returns the memory it may still take."""
    largest = max((source.file.stat().st_size for source in sources), default=0)
    share = int(free_memory_bytes() * _MEMORY_SHARE)
    memory_bytes = min(max(share, _LEAST_MEMORY), _MOST_MEMORY)
    file_bytes = _LEAST_FILE + _FILE_GROWTH * largest
    bound_this_process(memory_bytes, file_bytes, _PROCESSOR_S * num_threads)
    return memory_bytes


def _verdict(
    source: ModelSource, settings: ModelSettings, cache_dir: Path | None, *, describing: bool
) -> Mapping[str, Any]:
    """What became of one model: an error to raise, or its packed weights' size and fate."""
    try:
        if describing:
            settings = _with_some_normalization(source, settings)
        packed_bytes, not_kept = _try(source, settings, cache_dir)
    except MemoryError:
        return {"error": "ModelFileError", "text": too_large(source.path)}
    except PiClassifierError as error:
        return {"error": type(error).__name__, "text": str(error)}
    except OSError as error:
        filename = None if error.filename is None else str(error.filename)
        return {"errno": error.errno, "text": error.strerror, "filename": filename}
    except Exception as error:  # noqa: BLE001  whatever it is, the file caused it
        what = f"{type(error).__name__}: {error}"
        text = f"{source.path}: cannot be opened ({what}); the file is damaged: copy it again"
        return {"error": ModelFileError.__name__, "text": text}
    return {"packed_bytes": packed_bytes, "not_kept": not_kept}


def _try(source: ModelSource, settings: ModelSettings, cache_dir: Path | None) -> tuple[int, str]:
    """Pack a model's weights and keep them, then open and run it as it will be from now on.

    Returns their size, 0 where there are none to be kept, and why they could not be.
    """
    model = read_to_run(source, settings)
    # First without packed weights: the way that packs them makes room for the scores by the
    # shape that the file states, and writes beyond it where that is not true.
    open_as_set(model, settings, None).close()
    packed_bytes, not_kept, weights = 0, "", None
    cache = weight_cache(source, settings.runtime, cache_dir, settings.delegate)
    if cache is not None:
        try:
            packed_bytes, not_kept = pack_weights(model, settings.num_threads, cache)
        except ModelFileError as error:
            # CompiledModel refuses some sound files, those whose signature names tensors that
            # are not the graph's inputs and outputs for one.
            log.debug("%s; trying it without mapped weights", error)
        weights = cache.path if packed_bytes and not not_kept else None
    _start_and_show(model, settings, weights)
    return packed_bytes, not_kept


def _start_and_show(model: ModelFile, settings: ModelSettings, weights: Path | None) -> None:
    """Start a model and run it on extremes and noise: what fails may hang on the pixels.

    Raises `ModelFileError` for what fails on any picture, those it is started with as well.
    """
    height, width = model.input_size
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    try:
        with closing(start_model(model, settings, weights)) as classifier:
            for picture in (np.zeros_like(noise), np.full_like(noise, 255), noise):
                classifier.raw_scores(picture)
    except InferenceError as error:
        raise ModelFileError(
            f"{error}, for some pictures; the file is damaged, or was converted wrongly: "
            "copy it again, or else convert the model again"
        ) from error


def _with_some_normalization(source: ModelSource, settings: ModelSettings) -> ModelSettings:
    """For a model that is only to be described: pixels from -1 to 1 where nothing is stated."""
    model = read_model_file(source, settings.labels, to_run=False)
    if takes_bytes(model.input.dtype) or model.normalization is not None:
        return settings
    return replace(settings, mean=(127.5,) * 3, std=(127.5,) * 3)


if __name__ == "__main__":
    sys.exit(main())
