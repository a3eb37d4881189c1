"""How much memory a model's activations need while it runs, without running it.

TFLite lays all activations into one block; two may share a place when they are never
needed at the same time. The block it plans (greedy by size: Pisarchyk and Lee 2020,
arXiv:2001.03288) can be larger than the activations alive at the worst moment, which
no plan goes below. XNNPACK's own packed weights come on top.
"""

from __future__ import annotations

from dataclasses import dataclass

from pi_classifier.modelfile.model_graph import ModelGraph

# TFLite's arena starts every tensor at a multiple of this.
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class ActivationMemory:
    """Bytes of activations: alive at once at most, and the block that is planned for them.

    `worst` is the number of the operation where most are alive.
    """

    peak_bytes: int
    planned_bytes: int
    worst: int


@dataclass(frozen=True, slots=True)
class _Life:
    """A tensor is needed from operation `first` to operation `last`, both included."""

    first: int
    last: int
    size: int


def activation_memory(graph: ModelGraph) -> ActivationMemory:
    """Find the activations' memory from when each is made and last read."""
    lives = _lives(graph)
    alive = [
        sum(life.size for life in lives if life.first <= step <= life.last)
        for step in range(max(1, len(graph.operations)))
    ]
    worst = max(range(len(alive)), key=alive.__getitem__)
    return ActivationMemory(alive[worst], _planned(lives), worst)


def _lives(graph: ModelGraph) -> list[_Life]:
    first = dict.fromkeys(graph.inputs, 0)
    last = dict.fromkeys(graph.inputs, 0)
    for step, operation in enumerate(graph.operations):
        for i in operation.outputs:
            first.setdefault(i, step)
            last[i] = step
        for i in operation.inputs:
            if i >= 0 and not graph.tensors[i].constant:
                first.setdefault(i, 0)
                last[i] = step
    last.update(dict.fromkeys(graph.outputs, len(graph.operations) - 1))
    return [
        _Life(start, max(start, last[i]), graph.tensors[i].size_bytes)
        for i, start in first.items()
        if not graph.tensors[i].constant
    ]


def _planned(lives: list[_Life]) -> int:
    """The size of a block in which the largest is placed first, each in the lowest gap."""
    placed: list[tuple[int, _Life]] = []
    total = 0
    for life in sorted(lives, key=lambda life: (-life.size, life.first)):
        at = 0
        for start, other in sorted(placed, key=lambda item: item[0]):
            if other.last < life.first or life.last < other.first:
                continue
            if at + life.size <= start:
                break
            at = max(at, -(-(start + other.size) // _ALIGNMENT) * _ALIGNMENT)
        placed.append((at, life))
        total = max(total, at + life.size)
    return total
