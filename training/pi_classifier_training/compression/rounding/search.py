"""Finds how coarsely a model may be rounded for a wanted saving or an allowed loss."""

from __future__ import annotations

from collections.abc import Callable

from pi_classifier_training.compression.rounding.trials import Attempt, Figures, RoundingTrials
from pi_classifier_training.errors import TrainingError

# Tolerances are powers of two with these exponents; from the first one searches begin.
FINEST, FIRST, COARSEST = -40.0, -28.0, -12.0
# Saving grows by about two hundredths each time the tolerance doubles.
SAVING_PER_EXPONENT = 0.02
GRID = 0.25
TRIES = 6
# How much finer the next try is where a rounding does not hold: about 0.035 less saved.
FINER = 2.0
# What the finished file's own record adds to it, packed.
RECORD_BYTES = 1500
# Top-1 of a few hundred photos moves in jumps; the cross-entropy, which is finer, may
# rise by so many nats, and so many more for each point that may be lost.
RISE, RISE_PER_POINT = 0.01, 0.02
# Labels lost and won may cancel out by chance: so many photos may change theirs at all.
CHANGED, CHANGED_PER_POINT = 0.01, 0.02
FEWEST_VALIDATION = 10


def for_saving(trials: RoundingTrials, wanted: float) -> Attempt:
    """The finest rounding found that saves at least `wanted` (a fraction) under gzip.

    Raises TrainingError where none saves so much.
    """
    return trials.by_tolerance(_exponent_for(trials, wanted))


def for_saving_where_sound(
    trials: RoundingTrials, wanted: float, sound: Callable[[Attempt], bool]
) -> Attempt:
    """As `for_saving`; but where that is not `sound`, the first finer one tried that is.

    Where not even the finest is sound, the finest is returned.
    """
    exponent = _exponent_for(trials, wanted)
    attempt = trials.by_tolerance(exponent)
    while not sound(attempt) and exponent > FINEST:
        exponent = max(FINEST, exponent - FINER)
        attempt = trials.by_tolerance(exponent)
    return attempt


def _exponent_for(trials: RoundingTrials, wanted: float) -> float:
    needed = wanted + RECORD_BYTES / len(trials.source.data)

    def saving(exponent: float) -> float:
        return trials.by_tolerance(exponent).saving

    exponent = finest_reaching(saving, needed)
    if exponent is None:
        raise TrainingError(
            f"--saving {wanted:g}: rounding cannot save so much of this model; at the coarsest "
            f"it saves {saving(COARSEST):.1%}: ask for less"
        )
    return exponent


def finest_reaching(saving: Callable[[float], float], needed: float) -> float | None:
    """The smallest exponent tried whose saving reaches `needed`; None where none does."""
    # Each try rounds the network anew (seconds to minutes), so neither a scan nor a bisection
    # of 28 octaves is affordable: the saving is nearly linear in the exponent, and steps by
    # its usual slope end within the grid in two or three tries.
    tried: dict[float, float] = {}
    exponent = FIRST
    for _ in range(TRIES):
        tried[exponent] = saving(exponent)
        steps = round((needed - tried[exponent]) / SAVING_PER_EXPONENT / GRID)
        if steps == 0 and tried[exponent] < needed:
            steps = 1
        exponent = min(COARSEST, max(FINEST, exponent + steps * GRID))
        if exponent in tried:
            break
    # Near the coarsest end the slope flattens, and such steps may stop short.
    while max(tried.values()) < needed:
        exponent = min(COARSEST, max(tried) + 1)
        if exponent in tried:
            return None
        tried[exponent] = saving(exponent)
    return min(e for e, s in tried.items() if s >= needed)


def for_target_loss(trials: RoundingTrials, points: float) -> Attempt:
    """The smallest rounding whose loss on the validation photos is within `points`.

    `points` are percentage points of top-1. Raises DatasetError for too few photos,
    TrainingError where even the finest rounding loses more.
    """
    exact = trials.float_figures("validation")
    if exact.n < FEWEST_VALIDATION:
        raise TrainingError(
            f"--target-loss: {exact.n} validation photos are too few to tell a loss by, at least "
            f"{FEWEST_VALIDATION} are needed (300 are better): give more photos, or use --saving"
        )

    def holds(exponent: float) -> bool:
        own = trials.figures(trials.by_tolerance(exponent), "validation")
        return within(exact, own, points)

    exponent = coarsest_holding(holds)
    if exponent is None:
        raise TrainingError(
            f"--target-loss {points:g}: even the finest rounding loses more on {exact.n} "
            "validation photos; allow more, or keep the float file"
        )
    return trials.by_tolerance(exponent)


def within(exact: Figures, own: Figures, points: float) -> bool:
    """Whether a loss is allowed: in top-1, and in two figures that chance moves less."""
    lost = 100 * (exact.top1 - own.top1)
    risen = own.cross_entropy - exact.cross_entropy
    changed = 1 - own.agreement
    return (
        lost <= points + 1e-9
        and risen <= RISE + RISE_PER_POINT * points
        and changed <= CHANGED + CHANGED_PER_POINT * points + 1e-9
    )


def coarsest_holding(holds: Callable[[float], bool]) -> float | None:
    """The largest exponent tried at which, and at all smaller ones tried, the bound holds."""
    # By whole octaves first, the half at the end. It stops at the first that fails, although
    # a coarser one may hold again by chance: the photos are few, and luck is not a bound.
    if holds(FIRST):
        good = FIRST
        while good + 1 <= COARSEST and holds(good + 1):
            good += 1
    else:
        good = FIRST - 1
        while not holds(good):
            good -= 1
            if good < FINEST:
                return None
    return good + 0.5 if good + 0.5 <= COARSEST and holds(good + 0.5) else good
