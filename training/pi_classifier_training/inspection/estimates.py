"""About how long a model takes on each Raspberry Pi: an estimate, never a measurement.

Time on one core = multiply-accumulates / rate + operations · overhead. Depthwise
convolutions move more data for each multiplication, so theirs count several times.
The ranges of rates enclose what is published for MobileNet v1 and v2 at 1.0/224; the
sources, with their figures, stand in docs/training/inspecting.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pi_classifier.modelfile.costs import LayerCost

# (slow, fast): times a depthwise multiply-accumulate counts, overhead of one operation.
_DEPTHWISE = (4.0, 2.0)
_OVERHEAD_MS = (0.03, 0.005)
# Simple steps move numbers about: rated as so many of them to one multiply-accumulate.
_STEPS_PER_MAC = (0.5, 4.0)


@dataclass(frozen=True, slots=True)
class Board:
    """A Raspberry Pi; rates in 10⁹ multiply-accumulates a second on one core, (slow, fast).

    `key` is what it is called on the command line.
    """

    key: str
    name: str
    core: str
    float_rate: tuple[float, float]
    int8_rate: tuple[float, float]


BOARDS = (
    Board("zero-2-w", "Pi Zero 2 W", "Cortex-A53, 1.0 GHz", (1.2, 1.8), (2.1, 3.6)),
    Board("3", "Pi 3", "Cortex-A53, 1.2 to 1.4 GHz", (1.4, 2.5), (2.5, 5.0)),
    Board("4", "Pi 4", "Cortex-A72, 1.5 to 1.8 GHz", (3.6, 6.0), (6.5, 14.0)),
    Board("5", "Pi 5", "Cortex-A76, 2.4 GHz", (7.2, 18.0), (13.0, 42.0)),
)
BOARD_KEYS = tuple(board.key for board in BOARDS)
BASIS = (
    "estimated for one core from published measurements of MobileNet v1 and v2 on these boards "
    "(Pi 5: from its maker's comparison with Pi 4); not measured"
)


@dataclass(frozen=True, slots=True)
class Work:
    """What a network does for one picture: multiply-accumulates, simple steps, operations.

    `dense` are the multiply-accumulates that are not of depthwise convolutions.
    """

    dense: float
    depthwise: float
    steps: float
    operations: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Milliseconds for one picture, from the fastest to the slowest that is plausible."""

    board: str
    low_ms: float
    high_ms: float


def board_called(key: str) -> Board:
    """The board that the command line calls `key`. Raises KeyError."""
    return {board.key: board for board in BOARDS}[key]


def work_of(layers: Sequence[LayerCost]) -> Work:
    """The work of all layers together."""
    depthwise = sum(layer.macs for layer in layers if layer.kind == "DEPTHWISE_CONV_2D")
    return Work(
        sum(layer.macs for layer in layers) - depthwise,
        depthwise,
        sum(layer.steps for layer in layers),
        len(layers),
    )


def estimates(layers: Sequence[LayerCost], kind: str) -> tuple[Estimate, ...]:
    """Estimate the time on every board; `kind` is that of `inspection.weights`."""
    work = work_of(layers)
    return tuple(estimate(work, kind, board) for board in BOARDS)


def estimate(work: Work, kind: str, board: Board) -> Estimate:
    """Estimate the time of so much work on one board; `kind` as in `estimates`."""
    rate = _rate(board, kind)
    return Estimate(board.name, _time_ms(work, rate, 1), _time_ms(work, rate, 0))


def _rate(board: Board, kind: str) -> tuple[float, float]:
    if kind == "int8":
        return board.int8_rate
    if kind in ("dynamic", "mixed"):
        # Anything between: the runtime may compute in int8, or unpack to float.
        return board.float_rate[0], board.int8_rate[1]
    return board.float_rate


def _time_ms(work: Work, rate: tuple[float, float], end: int) -> float:
    """Time with all assumptions at one end: 0 slow, 1 fast."""
    macs = work.dense + _DEPTHWISE[end] * work.depthwise + work.steps / _STEPS_PER_MAC[end]
    return macs / (rate[end] * 1e6) + work.operations * _OVERHEAD_MS[end]
