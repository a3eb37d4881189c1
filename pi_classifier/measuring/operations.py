"""What each operation of a model costs on this machine: every one is run as a model of its own.

The parts run alone, on the numbers that they meet in the network, between runs of the whole
network, so that both see the same machine. Their sum is not the whole: alone, a part finds
its weights in the processor's cache, and an operation that the runtime joins with the next one
is not joined. How far both are apart is measured and told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, stdev

import numpy as np

from pi_classifier.errors import InferenceError
from pi_classifier.inference.graph_run import GraphRun, Values
from pi_classifier.inference.interpreter import runtime_identity
from pi_classifier.inference.quantization import PixelEncoder
from pi_classifier.modelfile.costs import LayerCost, layers
from pi_classifier.modelfile.cut_out import Part, cut_out, parts
from pi_classifier.modelfile.model_copy import mapped_model
from pi_classifier.modelfile.model_file import ModelFile
from pi_classifier.modelfile.model_graph import ModelGraph, read_model_graph
from pi_classifier.system.resources import Memory, board_name, own_memory

# Shorter ones are timed several at a time: the clock itself takes a part of a microsecond.
_SHORTEST_NS = 200_000
_WARM_UP = 3
_BETWEEN = 2


@dataclass(frozen=True, slots=True)
class Time:
    """Milliseconds of one run: the fastest of `runs`, the median, the standard deviation.

    What makes a run slower comes from outside, other programs say, so the fastest is what
    the work itself takes.
    """

    ms: float
    median_ms: float
    deviation_ms: float
    runs: int


@dataclass(frozen=True, slots=True)
class OperationTime:
    """One operation: its cost in `cost`, `moved_bytes` read and written with its weights.

    `times` are those with XNNPACK and without; None for an operation that runs only when the
    model is opened (`once`), or cannot run alone (`problem` says why).
    """

    cost: LayerCost
    moved_bytes: int
    times: tuple[Time | None, Time | None]
    once: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a model takes here; pairs are with XNNPACK and without.

    `calling` is the time of a run of no operation at all, which is in `whole` but not in the
    operations' times. `opened` is what opening the network and running it once took of
    memory, with XNNPACK.
    """

    model: ModelFile
    board: str
    runtime: str
    threads: int
    whole: tuple[Time, Time]
    calling: tuple[Time, Time]
    operations: tuple[OperationTime, ...]
    before: Memory
    opened: Memory

    @property
    def sums_ms(self) -> tuple[float, float]:
        """The times of all parts together."""
        with_xnnpack, without = (
            sum(found.ms for o in self.operations if (found := o.times[kernels]) is not None)
            for kernels in (0, 1)
        )
        return with_xnnpack, without


def profile(
    model: ModelFile, runtime: str = "auto", num_threads: int = 1, runs: int = 30
) -> Profile:
    """Measure a model that can be opened. Raises `InferenceError`."""
    data = mapped_model(model.file or model.path, model.path)
    graph = read_model_graph(data)
    inputs = {graph.inputs[0]: _picture(model)}
    content = bytes(data)
    before = own_memory()
    with GraphRun(content, inputs, runtime, num_threads):
        opened = own_memory()
    bench = _Bench(data, graph, inputs, runtime, num_threads, runs)
    with bench.kept() as all_values:
        passes = [bench.timed(all_values, xnnpack=xnnpack) for xnnpack in (True, False)]
    costs, found = layers(graph), parts(graph)
    return Profile(
        model,
        board_name(),
        runtime_identity(runtime),
        num_threads,
        (passes[0].whole, passes[1].whole),
        (passes[0].calling, passes[1].calling),
        tuple(
            OperationTime(
                cost,
                _moved_bytes(graph, cost.number),
                (passes[0].parts[n], passes[1].parts[n]),
                found[n] is None,
                passes[0].problems.get(n, ""),
            )
            for n, cost in enumerate(costs)
        ),
        before,
        opened,
    )


def _picture(model: ModelFile) -> Values:
    """The network's input for a picture of noise, which has every brightness."""
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (*model.input_size, 3)).astype(np.uint8)
    return PixelEncoder(model.input, model.normalization, model.channels)(pixels).copy()


def _moved_bytes(graph: ModelGraph, number: int) -> int:
    operation = graph.operations[number]
    tensors = {i for i in (*operation.inputs, *operation.outputs) if i >= 0}
    return sum(graph.tensors[i].size_bytes for i in tensors)


@dataclass(frozen=True, slots=True)
class _Pass:
    """The times of one kind of kernels; `problems` are those of parts without a time."""

    whole: Time
    calling: Time
    parts: list[Time | None]
    problems: dict[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    data: memoryview
    graph: ModelGraph
    inputs: Mapping[int, Values]
    runtime: str
    num_threads: int
    runs: int

    def kept(self) -> GraphRun:
        """The whole network, with what every operation makes of the picture."""
        content = bytes(self.data)
        return GraphRun(content, self.inputs, self.runtime, xnnpack=False, keep_all=True)

    def timed(self, made: GraphRun, *, xnnpack: bool) -> _Pass:
        """Time every part, and the whole network between them."""
        times: list[Time | None] = []
        whole_ns: list[float] = []
        problems: dict[int, str] = {}
        with self._open(bytes(self.data), self.inputs, xnnpack) as whole:
            warm_up(whole.invoke)
            calling = self._calling(xnnpack)
            for number, part in enumerate(parts(self.graph)):
                try:
                    times.append(self._part(part, made, calling, xnnpack) if part else None)
                except InferenceError as error:
                    problems[number] = str(error)
                    times.append(None)
                whole.invoke()  # the parts have driven it out of the cache
                whole_ns += each_ns(whole.invoke, _BETWEEN)
            whole_ns += each_ns(whole.invoke, max(0, self.runs - len(whole_ns)))
        return _Pass(summary(whole_ns), calling, times, problems)

    def _open(self, content: bytes, values: Mapping[int, Values], xnnpack: bool) -> GraphRun:
        return GraphRun(content, values, self.runtime, self.num_threads, xnnpack=xnnpack)

    def _calling(self, xnnpack: bool) -> Time:
        """What it takes to call the runtime for nothing."""
        content = cut_out(self.data, (), self.graph.inputs, self.graph.inputs)
        with self._open(content, self.inputs, xnnpack) as run:
            return summary(several_ns(run.invoke, self.runs))

    def _part(self, part: Part, made: GraphRun, calling: Time, xnnpack: bool) -> Time:
        content = cut_out(self.data, part.operations, part.inputs, part.outputs)
        values = {i: made.value(i) for i in part.inputs}
        with self._open(content, values, xnnpack) as run:
            measured = summary(several_ns(run.invoke, self.runs))
        own, usual = measured.ms - calling.ms, measured.median_ms - calling.median_ms
        return replace(measured, ms=max(0.0, own), median_ms=max(0.0, usual))


def warm_up(call: Callable[[], object]) -> float:
    """Call a few times; returns the nanoseconds of the fastest."""
    return min(each_ns(call, _WARM_UP))


def each_ns(call: Callable[[], object], runs: int) -> list[float]:
    """The nanoseconds of each of several calls."""
    found: list[float] = []
    for _ in range(runs):
        begin_ns = time.perf_counter_ns()
        call()
        found.append(time.perf_counter_ns() - begin_ns)
    return found


def several_ns(call: Callable[[], object], runs: int) -> list[float]:
    """As `each_ns`, after a warm-up; each is the mean of so many that the clock does not count."""
    many = max(1, math.ceil(_SHORTEST_NS / max(1.0, warm_up(call))))

    def repeated() -> None:
        for _ in range(many):
            call()

    return [taken / many for taken in each_ns(repeated, runs)]


def summary(nanoseconds: Sequence[float]) -> Time:
    """What there is to be said of times."""
    deviation = stdev(nanoseconds) if len(nanoseconds) > 1 else 0.0
    return Time(
        min(nanoseconds) / 1e6, median(nanoseconds) / 1e6, deviation / 1e6, len(nanoseconds)
    )
