"""The time a frame may take: whether there is enough left of it to ask a costlier model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pi_classifier.setting import setting
from pi_classifier.system.board import HeatWatch
from pi_classifier.types import Skip

# RFC 6298 estimates how long an answer takes from mean and mean deviation, with these shares of
# what is new. It then waits four deviations, as a time-out is dear; here `_QUOTA` bounds what
# goes wrong, and two do.
_MEAN_SHARE, _DEVIATION_SHARE, _DEVIATIONS = 1 / 8, 1 / 4, 2.0
# A spread that one slow frame made is forgotten by half in so many frames that were not asked.
_HALF_FORGOTTEN = 40
# One frame of so many may exceed the budget: half of what a 99th percentile allows.
_QUOTA = 200
_MOST_SAVED = 5.0


@dataclass(frozen=True, slots=True)
class CascadeSettings:
    """How long the models of a cascade may take for a frame, and how warm the board may be."""

    budget_ms: float | None = setting(
        None,
        "longest time for a frame, picture to scores, in milliseconds: where a costlier model "
        "would exceed it, the cheaper one's answer stands; decisions then depend on how fast the "
        "computer is",
        above=0.0,
    )
    hottest_c: float = setting(
        80.0,
        "with a budget: from this temperature of the processor in °C on, or while the board slows "
        "it down, costlier models are not asked",
        minimum=0.0,
        maximum=150.0,
    )


class Cost:
    """What a model takes for a frame in nanoseconds, learned from how long it took."""

    def __init__(self) -> None:
        self._mean_ns = 0.0
        self._deviation_ns = 0.0
        self.least_ns = 0
        self.frames_ago = 0

    def measured(self, taken_ns: int) -> None:
        """Take what a frame has cost."""
        self.frames_ago = 0
        if not self.least_ns:
            self._mean_ns, self._deviation_ns = taken_ns, taken_ns / 2
            self.least_ns = taken_ns
            return
        off = taken_ns - self._mean_ns
        self._deviation_ns += _DEVIATION_SHARE * (abs(off) - self._deviation_ns)
        self._mean_ns += _MEAN_SHARE * off
        self.least_ns = min(self.least_ns, taken_ns)

    def not_asked(self) -> None:
        """Note that the model was too slow to be asked of a frame: what is known grows old."""
        self.frames_ago += 1
        self._deviation_ns *= 0.5 ** (1 / _HALF_FORGOTTEN)

    @property
    def expected_ns(self) -> float:
        """What a frame will hardly exceed; 0 before the first."""
        return self._mean_ns + _DEVIATIONS * self._deviation_ns


class Budget:
    """Decides what may be asked, so that 99 of 100 frames stay within `limit_ms`.

    A model may be asked if what the frame has taken and what the model usually takes, with its
    spread, fit. Usual costs are wrong where another program wants the processor. So there is a
    quota besides: every frame earns 1/200 of an excess (a token bucket with room for five), every
    frame that takes longer than the limit uses one, and without a whole one nothing costly is
    asked. A model that seemed too slow for 200 frames is tried again if it ever was fast enough.

    The clock is that of the predictions' `latency_ns`. `hot` says whether the board is to be
    spared; `close` is called when the budget is not needed any more.
    """

    def __init__(
        self,
        limit_ms: float,
        hot: Callable[[], bool] = lambda: False,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.limit_ns = round(limit_ms * 1e6)
        self._hot = hot
        self.close = close
        self._saved = 1.0
        self._costs: dict[int, Cost] = {}

    def skip(self, stage: int, taken_ns: int) -> Skip | None:
        """Why `stage` is not to be asked of a frame that has taken `taken_ns`; None: it may be."""
        if self._hot():
            return "heat"
        if self._saved < 1.0:
            return "budget"
        cost = self._cost(stage)
        retried = cost.frames_ago >= _QUOTA
        needed_ns = cost.least_ns if retried else cost.expected_ns
        if taken_ns + needed_ns <= self.limit_ns:
            return None
        cost.not_asked()
        return "budget"

    def fits(self, stage: int, taken_ns: int, share: float) -> bool:
        """Whether `stage` usually ends before a frame has taken this share of the budget."""
        return taken_ns + self._cost(stage).expected_ns <= share * self.limit_ns

    def measured(self, stage: int, taken_ns: int) -> None:
        """Take what `stage` has cost."""
        self._cost(stage).measured(taken_ns)

    def frame_ended(self, taken_ns: int) -> None:
        """Take what all models together have cost for a frame."""
        excess = 1.0 if taken_ns > self.limit_ns else 0.0
        self._saved = max(0.0, min(_MOST_SAVED, self._saved + 1 / _QUOTA - excess))

    def _cost(self, stage: int) -> Cost:
        cost = self._costs.get(stage)
        if cost is None:
            cost = self._costs[stage] = Cost()
        return cost


def open_budget(settings: CascadeSettings) -> Budget | None:
    """The budget that the settings ask for, with a watch over the board; None for none."""
    if settings.budget_ms is None:
        return None
    watch = HeatWatch(settings.hottest_c)
    return Budget(settings.budget_ms, lambda: watch.hot, watch.close)
