"""Tries a model in a process of its own before this one opens it.

A file can be well-formed and still lie, about a tensor's shape, say, and the runtimes believe
it: some such files end the process that opens them with a signal, others take all memory or
never come to an end. So a model that is not known yet is opened and run in a child
(`pi_classifier.inference.trial`), which packs its weights as well. What passed is remembered
in the cache folder, by all that the result depends on.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pi_classifier import __version__
from pi_classifier.errors import InferenceError, ModelError
from pi_classifier.inference.interpreter import runtime_identity, weight_cache
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.trial_verdict import error_of, untimely_end, verdicts_of
from pi_classifier.inference.weight_cache import WeightCache, cpu_identity
from pi_classifier.modelfile.model_copy import ModelSource, model_source
from pi_classifier.system.files import (
    all_but_newest,
    check_ours,
    read_regular_file,
    write_atomic,
)
from pi_classifier.system.memory_file import sealed_memory_file
from pi_classifier.system.python_child import Ended, module_command, run_to_end

log = logging.getLogger(__name__)

T = TypeVar("T")

CHILD = module_command("pi_classifier.inference.trial")

# Reading and packing a large model from a slow card, on a small processor; systemd waits for
# 90 s until the service is there.
_LIMIT_S = 60.0
_SUFFIX = ".verified"
_MOST_REMEMBERED = 64
_MOST_LABELS = 16 << 20
_MOST_TRIALS = 3
# Beside the packed weights: their checksum, and room for what else is written meanwhile.
_SPARE_BYTES = 64 << 10

# Settings that a trial does not depend on.
_WITHOUT_EFFECT = ("path", "cache_dir", "top_k", "resize")

_passed_here: dict[str, int] = {}
"""What has passed since this process began: the size of its packed weights by `_key`."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """A model that has passed, and its packed weights where they are to be mapped.

    `remembered`: it passed earlier, not just now.
    """

    source: ModelSource
    weights: WeightCache | None
    remembered: bool

    def opened(self, open_model: Callable[[ModelSource, Path | None], T]) -> T:
        return open_model(self.source, None if self.weights is None else self.weights.path)


def verified(
    paths: Sequence[Path],
    settings: ModelSettings,
    cache_dir: Path | None,
    open_model: Callable[[ModelSource, Path | None], T],
    *,
    describing: bool = False,
) -> Iterator[T]:
    """Yield what `open_model` makes of each model and its packed weights, once all have passed.

    Those that are not known to be good are tried in one child process. `describing`: a
    model need not say how its pixels are normalized. Raises what opening it raises, and
    `ModelFileError` where that ends the child with a signal, takes too much memory or too
    long; OSError where the machine refuses.
    """
    try_all = partial(_copied_and_tried, settings, cache_dir, describing)
    for model in try_all(paths):
        try:
            yield model.opened(open_model)
            continue
        except ModelError as error:
            if not model.remembered:
                raise InferenceError(f"{error} (it could be run when it was tried)") from error
            log.warning("%s; what is kept of it is made anew", error)
        _forget(model)
        (again,) = try_all([model.source.path])
        yield again.opened(open_model)


def try_content(content: bytes, name: Path, settings: ModelSettings) -> None:
    """Try a model file that is in memory, in a child; raises as `verified` does."""
    memory = sealed_memory_file("model", [content])
    checksum = hashlib.sha256(content).hexdigest()
    source = ModelSource(name, memory.path, checksum, memory=memory)
    _tried([source], settings, cache_dir=None, describing=False)


class _CopyRemoved(BlockingIOError):
    """Another process refused the same model, for its own settings, and removed its copy."""


def _copied_and_tried(
    settings: ModelSettings, cache_dir: Path | None, describing: bool, paths: Sequence[Path]
) -> list[_Verified]:
    for _ in range(_MOST_TRIALS):
        sources = [model_source(path, cache_dir, settings.key_file) for path in paths]
        with contextlib.suppress(_CopyRemoved):
            return _tried(sources, settings, cache_dir, describing)
    raise BlockingIOError(errno.EAGAIN, "its copy is removed again and again", str(paths[0]))


def _tried(
    sources: Sequence[ModelSource],
    settings: ModelSettings,
    cache_dir: Path | None,
    describing: bool,
) -> list[_Verified]:
    """The models, each known to be good: those that are not are tried in a child."""
    known = [_recalled(source, settings, cache_dir, describing) for source in sources]
    untried = [source for source, model in zip(sources, known, strict=True) if model is None]
    if untried:
        ended = _trial(untried, settings, cache_dir, describing)
        verdicts = list(verdicts_of(ended))
        for source, verdict in zip(untried, verdicts, strict=False):
            if "packed_bytes" not in verdict:
                _check_copy_is_there(source)
                _drop_copy(source)
                raise error_of(source, verdict)
            packed_bytes = int(verdict["packed_bytes"])
            kept_in = _where_remembered(source, settings)
            _remember(_key(source, settings, describing), kept_in, packed_bytes)
            if verdict["not_kept"]:
                _say_weights_stay(source, verdict["not_kept"])
        if len(verdicts) < len(untried):
            for source in untried[len(verdicts) :]:
                _check_copy_is_there(source)
            _drop_copy(untried[len(verdicts)])
            raise untimely_end(untried[len(verdicts)], ended, _LIMIT_S, settings.delegate)
    return [
        model or _Verified(source, _weights(source, settings, cache_dir), remembered=False)
        for source, model in zip(sources, known, strict=True)
    ]


def _trial(
    models: Sequence[ModelSource],
    settings: ModelSettings,
    cache_dir: Path | None,
    describing: bool,
) -> Ended:
    """Let a child open and run the models; what it puts out are its verdicts."""
    memories = [source.memory for source in models]
    descriptors = [None if memory is None else memory.descriptor for memory in memories]
    given = {
        "settings": asdict(settings),
        "cache_dir": None if cache_dir is None else str(cache_dir),
        "describing": describing,
        "models": [
            [str(source.path), str(source.file), source.sha256, descriptor]
            for source, descriptor in zip(models, descriptors, strict=True)
        ],
    }
    return run_to_end(CHILD, json.dumps(given).encode(), _LIMIT_S, descriptors)


def _say_weights_stay(source: ModelSource, reason: str) -> None:
    log.warning("%s: its packed weights stay in memory: %s", source.path, reason)


def _forget(model: _Verified) -> None:
    """Remove all that is kept of a model, so that it is copied, packed and tried again."""
    if model.weights is not None:
        model.weights.remove()
    for key in [key for key in _passed_here if key.startswith(model.source.sha256)]:
        del _passed_here[key]
    folder = model.source.kept_in
    if folder is not None:
        with contextlib.suppress(OSError):
            for file in folder.glob(f"{model.source.sha256}*"):
                file.unlink()


def _check_copy_is_there(source: ModelSource) -> None:
    if source.kept_in is not None and source.memory is None and not source.file.exists():
        raise _CopyRemoved(errno.EAGAIN, "its copy was removed", str(source.path))


def _drop_copy(source: ModelSource) -> None:
    """Remove the copy of a model that was refused, unless it passes with other settings."""
    if source.kept_in is None or source.memory is not None:
        return
    with contextlib.suppress(OSError):
        if not list(source.kept_in.glob(f"{source.sha256}*{_SUFFIX}")):
            source.file.unlink()


def _recalled(
    source: ModelSource, settings: ModelSettings, cache_dir: Path | None, describing: bool
) -> _Verified | None:
    """The model where it is known to be good and nothing is left to be packed."""
    key = _key(source, settings, describing)
    packed_bytes = _recall(key, _where_remembered(source, settings))
    if packed_bytes is None:
        return None
    weights = _weights(source, settings, cache_dir) if packed_bytes else None
    if packed_bytes and weights is None and _could_keep(source, settings, cache_dir, packed_bytes):
        return None
    return _Verified(source, weights, remembered=True)


def _could_keep(
    source: ModelSource, settings: ModelSettings, cache_dir: Path | None, packed_bytes: int
) -> bool:
    """Whether packed weights, which are not there, could be put there now."""
    cache = weight_cache(source, settings.runtime, cache_dir, settings.delegate)
    if cache is None:
        return False
    try:
        disk = os.statvfs(cache.folder)
    except OSError:
        return False
    has_room = disk.f_bavail * disk.f_frsize >= packed_bytes + _SPARE_BYTES
    if not has_room:
        _say_weights_stay(source, f"{cache.folder}: no room for {packed_bytes / 1e6:.1f} MB")
    return has_room and os.access(cache.folder, os.W_OK)


def _weights(
    source: ModelSource, settings: ModelSettings, cache_dir: Path | None
) -> WeightCache | None:
    """The packed weights of a model, where they are there and sound."""
    cache = weight_cache(source, settings.runtime, cache_dir, settings.delegate)
    return cache if cache is not None and cache.verified() else None


def _key(source: ModelSource, settings: ModelSettings, describing: bool) -> str:
    """All that the result of a trial depends on, as a file name without its end."""
    labels = None
    if settings.labels is not None:
        labels = "unreadable"  # not as without: that may have passed
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            content = read_regular_file(Path(settings.labels).expanduser(), _MOST_LABELS)
            labels = hashlib.sha256(content).hexdigest()
    depends = {
        **{k: v for k, v in asdict(settings).items() if k not in _WITHOUT_EFFECT},
        "labels": labels,
        "copied": source.is_copied,
        "describing": describing,
        "version": __version__,
    }
    digest = hashlib.sha256(repr(depends).encode()).hexdigest()[:12]
    runtime = runtime_identity(settings.runtime)
    return f"{source.sha256}-{runtime}-{cpu_identity()}-{digest}"


def _where_remembered(source: ModelSource, settings: ModelSettings) -> Path | None:
    """The folder that a trial is remembered in; None where this process alone remembers it.

    What an accelerator does hangs on its library and on what is plugged in.
    """
    return None if settings.delegate else source.kept_in


def _recall(key: str, folder: Path | None) -> int | None:
    if key in _passed_here or folder is None:
        return _passed_here.get(key)
    with contextlib.suppress(OSError, ValueError):
        check_ours(folder)
        return max(0, int(read_regular_file(folder / (key + _SUFFIX), 32)))
    return None


def _remember(key: str, folder: Path | None, packed_bytes: int) -> None:
    _passed_here[key] = packed_bytes
    if folder is None:
        return
    with contextlib.suppress(OSError):  # no room: it is tried again at the next start
        write_atomic(folder / (key + _SUFFIX), b"%d\n" % packed_bytes, durable=False)
        for old in all_but_newest(folder, f"*{_SUFFIX}", _MOST_REMEMBERED):
            old.unlink()
