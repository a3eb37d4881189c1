"""Time per frame of the whole path, beside the bare interpreter's, taking turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.bare import BareModel
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from benchmarks.scenes import HEIGHT, WIDTH, Pixels, PreparedCamera
from benchmarks.subject import Subject
from pi_classifier.inference.native_stderr import captured_stderr
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.modelfile.picture_input import picture_shape
from pi_classifier.preprocessing.preprocessor import Preprocessor
from pi_classifier.service.build import build
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import Service
from pi_classifier.types import Frame

SECTION = "Time per frame"
WITH_RESIZE = Aim(1.5, "ratio")
WITHOUT_RESIZE = Aim(1.15, "ratio")
# What is done besides takes the same time for all networks, so slower ones have to be nearer.
SLOW_MS, WITHOUT_RESIZE_SLOW = 0.5, Aim(1.05, "ratio")
BEYOND = Aim(8, "ratio")

Pass = Callable[[], list[int]]
"""Goes once through all frames; returns nanoseconds for each."""
Times = NDArray[np.int64]
"""Nanoseconds ``[rounds, frames]``."""


@dataclass(frozen=True, slots=True, eq=False)
class _Loops:
    """What takes turns: our whole path, and parts of a bare loop."""

    whole: Pass
    model_size: Pass | None
    invoke: Pass
    tensors: Pass
    pillow: Pass
    copy: Pass


def measure(
    subject: Subject, pictures: Sequence[Pixels], rounds: int, cache_dir: Path
) -> Iterator[Figure]:
    """Yield the figures of one model: 640×480 frames, frames of the model's size."""
    with build(subject.settings(cache_dir)) as service:
        loops = _loops(subject, service, pictures)
        names = ("whole", "model_size", "invoke", "tensors", "pillow", "copy")
        passes: dict[str, Pass] = {
            name: each for name in names if (each := getattr(loops, name)) is not None
        }
        times = _take_turns(passes, rounds)
    size = f"{WIDTH}×{HEIGHT}"
    yield _figure(subject, size, times["whole"], "bare invoke", times["invoke"], WITH_RESIZE)
    yield _figure(subject, size, times["whole"], "bare set, invoke, get", times["tensors"])
    yield _figure(subject, size, times["whole"], "bare with Pillow resize", times["pillow"])
    beyond = times["whole"] - times["invoke"]
    yield _figure(
        subject, f"{size}, beyond", beyond, "one copy of the frame", times["copy"], BEYOND
    )
    if "model_size" in times:
        height, width = subject.models[0].input_size
        size = f"{width}×{height}, as the model"
        slow = _typical_ms(times["invoke"]) >= SLOW_MS
        aim = WITHOUT_RESIZE_SLOW if slow else WITHOUT_RESIZE
        yield _figure(subject, size, times["model_size"], "bare invoke", times["invoke"], aim)


def _figure(
    subject: Subject, size: str, ours: Times, peer: str, peers: Times, aim: Aim | None = None
) -> Figure:
    low, high = np.percentile(ours / peers, (25, 75))
    return Figure(
        section=SECTION,
        subject=subject.name,
        name=size,
        unit="ms",
        ours=_typical_ms(ours),
        peer=peer,
        peers=_typical_ms(peers),
        quartiles=(float(low), float(high)),
        aim=aim,
    )


def _typical_ms(times: Times) -> float:
    """The median over the rounds for each frame; their mean over the frames.

    A cascade's frames differ by nature, so their own median would say little.
    """
    return float(np.median(times, axis=0).mean()) / 1e6


def _take_turns(passes: dict[str, Pass], rounds: int) -> dict[str, Times]:
    """Run every pass in every round, forwards and backwards in turn."""
    for each in passes.values():
        each()
    taken: dict[str, list[list[int]]] = {name: [] for name in passes}
    for number in range(rounds):
        for name in list(passes) if number % 2 == 0 else reversed(list(passes)):
            taken[name].append(passes[name]())
    return {name: np.array(rows) for name, rows in taken.items()}


def _loops(subject: Subject, service: Service, pictures: Sequence[Pixels]) -> _Loops:
    with captured_stderr():
        models = [_bare_model(each) for each in subject.models]
    resize = [Preprocessor(each.input_size, each.manifest.resize) for each in subject.models]
    # A cascade asks its later models for some frames only; the bare loop then does as well.
    stages = [service.parts.classifier.classify(Frame(each, 0, 0)).stage for each in pictures]
    asked = [models[: stage + 1] for stage in stages]
    tensors = [
        [model.tensor(small(each)) for model, small in zip(models, resize, strict=True)][: s + 1]
        for each, s in zip(pictures, stages, strict=True)
    ]
    one_size = len({each.input_size for each in subject.models}) == 1
    return _Loops(
        whole=_path(service, pictures),
        model_size=_path(service, [resize[0](each) for each in pictures]) if one_size else None,
        invoke=lambda: [_invoke_ns(*each) for each in zip(asked, tensors, strict=True)],
        tensors=lambda: [_tensors_ns(*each) for each in zip(asked, tensors, strict=True)],
        pillow=lambda: [_pillow_ns(*each) for each in zip(asked, pictures, strict=True)],
        copy=_copies(pictures),
    )


def _copies(pictures: Sequence[Pixels]) -> Pass:
    target = np.empty_like(pictures[0])

    def once() -> list[int]:
        taken = []
        for pixels in pictures:
            start_ns = time.perf_counter_ns()
            np.copyto(target, pixels)
            taken.append(time.perf_counter_ns() - start_ns)
        return taken

    return once


def _path(service: Service, pictures: Sequence[Pixels]) -> Pass:
    camera = PreparedCamera(pictures)
    prepared = Service(camera, service.parts)

    def once() -> list[int]:
        run(prepared)
        return camera.times_ns

    return once


def _bare_model(model: ModelFile) -> BareModel:
    plain = model.channels == "rgb" and not picture_shape(model.input.shape).channels_first
    if not plain or model.input.dtype not in {"uint8", "int8", "float32"}:
        raise BenchmarkError(
            f"{model.path}: the bare loop beside it knows RGB pictures with channels last alone, "
            "of uint8, int8 or float32"
        )
    norm = model.normalization
    return BareModel(str(model.path), *((norm.mean, norm.std) if norm else ()))


def _invoke_ns(models: Sequence[BareModel], tensors: Sequence[NDArray[np.generic]]) -> int:
    total_ns = 0
    for model, tensor in zip(models, tensors, strict=True):
        model.load(tensor)
        start_ns = time.perf_counter_ns()
        model.invoke()
        total_ns += time.perf_counter_ns() - start_ns
        model.scores()
    return total_ns


def _tensors_ns(models: Sequence[BareModel], tensors: Sequence[NDArray[np.generic]]) -> int:
    start_ns = time.perf_counter_ns()
    for model, tensor in zip(models, tensors, strict=True):
        model.load(tensor)
        model.invoke()
        model.scores()
    return time.perf_counter_ns() - start_ns


def _pillow_ns(models: Sequence[BareModel], pixels: Pixels) -> int:
    start_ns = time.perf_counter_ns()
    for model in models:
        model.best(pixels)
    return time.perf_counter_ns() - start_ns
