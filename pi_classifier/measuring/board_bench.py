"""Runs a configuration on this board for a while, and measures what it takes.

First as configured: the service's own loop, from the camera to the sinks, at the camera's
pace. Then the frames seen are run through again as fast as it goes, and through the models with
other numbers of threads, for what could be changed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pi_classifier.config.settings import Settings
from pi_classifier.gate import AlwaysOpen
from pi_classifier.inference import sensor_classifier
from pi_classifier.inference.budget import CascadeSettings
from pi_classifier.measuring.stopwatch import (
    CAPTURE,
    CLASSIFY,
    DECISION,
    FRAME,
    GATE,
    SINKS,
    Stopwatch,
    timed_parts,
    timed_service,
)
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.locate import find_model
from pi_classifier.service.build import OnStop, build, open_deciding_classifier
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import PipelineParts, Service
from pi_classifier.system.board import BoardState, read_board
from pi_classifier.system.resources import Memory, energy_j, own_memory, process_age_s
from pi_classifier.types import Frame, Prediction

_LOOK_EVERY_S = 1.0
# Frames kept, to be run through again: different ones, within bounds of memory.
_KEPT_FRAMES, _KEPT_BYTES, _FEWEST_KEPT = 12, 12_000_000, 2
_MOST_THREADS = 4
_ORDER = (CAPTURE, GATE, CLASSIFY, DECISION, SINKS, FRAME)
_VARIANT_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds of `n` runs: percentiles, the longest, the standard deviation."""

    n: int
    p50: float
    p90: float
    p99: float
    most: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A model with a number of threads, and what it takes for a frame."""

    model: str
    threads: int
    frame: Spread


@dataclass(slots=True)
class Conditions:
    """What was seen of the board meanwhile; None is what it does not tell.

    `throttled`: it was slowed down at some time. `watts` is the mean power of the processor.
    """

    first_c: float | None = None
    hottest_c: float | None = None
    throttled: bool = False
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class BoardBench:
    """What was measured. `steps` are in the order they come, `interval` is from frame to frame."""

    settings: Settings
    frame_size: tuple[int, int]
    model_size: tuple[int, int] | None
    opened_s: float
    first_label_s: float
    counted: str
    seconds: float
    frames: int
    steps: Mapping[str, Spread]
    interval: Spread | None
    sustained_fps: float
    sustained: Mapping[str, Spread]
    variants: tuple[Variant, ...]
    memory: Memory
    conditions: Conditions


@dataclass(slots=True)
class _Seen:
    """What the loop's observer keeps: when frames were done, some of them, the conditions."""

    done_ns: list[int] = field(default_factory=list)
    kept: list[Frame] = field(default_factory=list)
    first_label_s: float = 0.0
    conditions: Conditions = field(default_factory=Conditions)
    _looked_s: float = 0.0

    def __call__(self, frame: Frame, prediction: Prediction | None) -> None:
        self.done_ns.append(time.perf_counter_ns())
        if prediction is not None and not self.first_label_s:
            self.first_label_s = process_age_s()
        room = max(_FEWEST_KEPT, min(_KEPT_FRAMES, _KEPT_BYTES // frame.pixels.nbytes))
        if len(self.kept) < room and len(self.done_ns) % 3 == 1:
            # A camera may use the memory of its frame again.
            self.kept.append(replace(frame, pixels=frame.pixels.copy()))
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self.look(read_board())

    def look(self, state: BoardState) -> None:
        """Note the board's heat."""
        conditions = self.conditions
        conditions.throttled |= state.throttled
        if state.temperature_c is not None:
            if conditions.first_c is None:
                conditions.first_c = state.temperature_c
            conditions.hottest_c = max(conditions.hottest_c or 0.0, state.temperature_c)


def bench(
    settings: Settings, seconds: float, on_stop: OnStop, stopped: Callable[[], bool]
) -> BoardBench:
    """Measure a configuration for about twice so many seconds.

    Decisions go to a file that is thrown away; nothing is spoken. Raises ConfigError, ModelError,
    CameraError, and KeyboardInterrupt once `stopped` says so.
    """
    watch, seen = Stopwatch(), _Seen()
    with tempfile.TemporaryDirectory() as folder:
        measured = _measured_settings(settings, Path(folder), seconds)
        with build(measured, on_stop=on_stop) as service:
            opened_s = process_age_s()
            model_size = service.parts.frame_size
            began_s, energy = time.monotonic(), energy_j()
            counters = run(timed_service(service, watch, measured.run), seen)
            lasted_s = time.monotonic() - began_s
            _check(stopped)
            seen.conditions.watts = _watts(energy, energy_j(), lasted_s)
            spans, memory = watch.taken(), _without(own_memory(), seen.kept)
            fastest_fps, fastest = _as_fast_as_it_goes(service.parts, seen.kept, seconds / 3)
            seen.look(read_board())
    return BoardBench(
        settings=settings,
        frame_size=_size(seen.kept),
        model_size=model_size,
        opened_s=opened_s,
        first_label_s=seen.first_label_s,
        counted=str(counters),
        seconds=lasted_s,
        frames=counters.frames,
        steps=_spreads(spans),
        interval=spread(np.diff(seen.done_ns).tolist()) if len(seen.done_ns) > 1 else None,
        sustained_fps=fastest_fps,
        sustained=_spreads(fastest),
        variants=tuple(_variants(settings, seen.kept, seconds * _VARIANT_SHARE, stopped)),
        memory=memory,
        conditions=seen.conditions,
    )


def spread(nanoseconds: Sequence[int]) -> Spread:
    """What there is to be said of times."""
    ms = np.asarray(nanoseconds, np.float64) / 1e6
    p50, p90, p99 = np.percentile(ms, (50, 90, 99)).tolist()
    return Spread(len(ms), p50, p90, p99, float(ms.max()), float(ms.std()))


def _spreads(spans: Mapping[str, Sequence[int]]) -> dict[str, Spread]:
    """Each step's, in the order in which a frame meets them."""

    def place(name: str) -> float:
        # All others are steps within a model, and part of classifying.
        return _ORDER.index(name) if name in _ORDER else _ORDER.index(CLASSIFY) - 0.5

    return {name: spread(spans[name]) for name in sorted(spans, key=place)}


def _without(memory: Memory, frames: Sequence[Frame]) -> Memory:
    """The memory without the frames that only the bench keeps."""
    kept = sum(frame.pixels.nbytes for frame in frames) / 1e6
    return replace(
        memory,
        resident=memory.resident - kept,
        anonymous=memory.anonymous - kept,
        most=memory.most - kept,
    )


def _measured_settings(settings: Settings, folder: Path, seconds: float) -> Settings:
    return replace(
        settings,
        camera=replace(settings.camera, loop=True),
        stdout=replace(settings.stdout, enabled=False),
        log=replace(settings.log, enabled=False),
        jsonl=replace(settings.jsonl, path=str(folder / "decisions.jsonl")),
        speech=replace(settings.speech, enabled=False),
        run=replace(settings.run, frames=None, duration_s=seconds),
    )


def _size(frames: Sequence[Frame]) -> tuple[int, int]:
    height, width = frames[0].pixels.shape[:2] if frames else (0, 0)
    return height, width


def _watts(before_j: float | None, after_j: float | None, seconds: float) -> float | None:
    if before_j is None or after_j is None or after_j < before_j:
        return None
    return (after_j - before_j) / seconds


class _Again:
    """Gives frames again and again for some seconds, as fast as they are taken."""

    def __init__(self, frames: Sequence[Frame], seconds: float) -> None:
        self._frames, self._seconds = frames, seconds

    def frames(self) -> Iterator[Frame]:
        end_s = time.monotonic() + self._seconds
        number = 0
        while self._frames and time.monotonic() < end_s:
            frame = self._frames[number % len(self._frames)]
            yield replace(frame, sequence=number, timestamp_ns=number * 10_000_000)
            number += 1

    def stop(self) -> None:
        """End the frames."""
        self._seconds = 0.0

    close = stop


def _as_fast_as_it_goes(
    parts: PipelineParts, frames: Sequence[Frame], seconds: float
) -> tuple[float, dict[str, list[int]]]:
    """Frames a second with every frame classified, and what the steps take then."""
    watch = Stopwatch()
    without_gate = replace(parts, gate=AlwaysOpen())
    service = Service(_Again(frames, seconds), timed_parts(without_gate, watch))
    began_s = time.monotonic()
    counters = run(service, finish_s=0.0)
    return counters.frames / (time.monotonic() - began_s), watch.taken()


def _check(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise KeyboardInterrupt


def _variants(
    settings: Settings, frames: Sequence[Frame], seconds: float, stopped: Callable[[], bool]
) -> Iterator[Variant]:
    """The models that could be chosen with the numbers of threads that could be."""
    if settings.model.path == sensor_classifier.NAME:
        return
    for model in _models(settings.model.path):
        for threads in _threads(settings.model.num_threads):
            _check(stopped)
            chosen = replace(settings.model, path=model, num_threads=threads)
            # A model alone has no costlier one that a budget could leave out.
            budget = settings.cascade if model == settings.model.path else CascadeSettings()
            other = replace(settings, model=chosen, cascade=budget)
            with closing(open_deciding_classifier(other)) as classifier:
                watch = Stopwatch()
                classify = watch.timed(CLASSIFY, classifier.classify)
                for frame in _Again(frames, seconds).frames():
                    classify(frame)
            if watch.spans:
                yield Variant(model, threads, spread(watch.spans[CLASSIFY]))


def _models(path: str) -> list[str]:
    """The configured model, and those of a cascade alone."""
    file = find_model(path)
    if file.suffix != ".toml":
        return [path]
    return [path, *(str(entry.model) for entry in read_cascade_file(file).stages)]


def _threads(configured: int) -> list[int]:
    cores = len(os.sched_getaffinity(0))
    tried = {threads for threads in (1, 2, 4) if threads <= min(cores, _MOST_THREADS)}
    return sorted(tried | {configured})
