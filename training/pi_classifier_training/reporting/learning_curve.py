"""Would more photos help? Error against the number of training photos, carried on to twice.

Only a head is trained, again and again, on features that no photo of the run has shaped;
its error is fitted by an inverse power law, ``error = a + b · n^-c`` (Figueroa et al. 2012,
"Predicting sample size required for classification performance").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.retraining.head import STRENGTH, ClassWeights, Head, fit_head

# Steps of √2 from an eighth up: enough points for three parameters and a trial forecast.
SHARES = (0.125, 0.177, 0.25, 0.354, 0.5, 0.707, 1.0)
SEEDS = 3
RESAMPLES = 400
EXPONENTS = np.linspace(0.05, 1.5, 30)
# Below these counts the points say more about chance than about photos.
FEWEST_PHOTOS, FEWEST_CHECKS = 80, 60
# Multiplications an iteration of the largest heads, one for each seed: with so many the curve
# takes about half a minute on one processor.
CURVE_WORK = 2e8
# Of many labels a part says the same, but not of a few.
FEWEST_LABELS = 10
# The trial forecast may miss by two standard errors, or by this much.
TRIAL_SLACK = 0.01
# An interval of the remaining share of mistakes wider than this says nothing.
WIDEST = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class HeadInputs:
    """What the untrained-on network says of photos, and which labels these show.

    `values` are float32 ``[views · n, channels]``, view after view; `indices` int64 ``[n]``.
    """

    values: NDArray[np.float32]
    indices: NDArray[np.int64]

    def some(self, rows: NDArray[np.intp]) -> HeadInputs:
        """Those of some photos, in all their views."""
        n = len(self.indices)
        samples = np.concatenate([rows + n * view for view in range(self.views)])
        return HeadInputs(self.values[samples], self.indices[rows])

    @property
    def views(self) -> int:
        """How often every photo comes."""
        return len(self.values) // max(1, len(self.indices))


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How the run fits its head: the strength of its penalty, the weights of its labels."""

    strength: float = STRENGTH
    class_weights: ClassWeights = "auto"
    silent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Measured errors of a head by number of training photos.

    `counts` are photos, float64 ``[k]``; `wrong` says for every share, seed and check
    photo whether the head erred, bool ``[k, seeds, m]``.
    """

    counts: NDArray[np.float64]
    wrong: NDArray[np.bool_]

    @property
    def errors(self) -> NDArray[np.float64]:
        """Mean error by count, fractions ``[k]``."""
        return np.asarray(self.wrong.mean(axis=(1, 2)), np.float64)


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``error(n) = a + b · n^-c``, with ``a, b ≥ 0``."""

    a: float
    b: float
    c: float

    def __call__(self, n: Any) -> Any:
        return self.a + self.b * np.asarray(n, np.float64) ** -self.c


@dataclass(frozen=True, slots=True)
class Forecast:
    """What twice the photos would do.

    `ratio` is the error with twice the photos divided by the error now, with its 95 %
    interval; `trial` the error foretold for all photos from at most half of them, `measured`
    what it then was. `doubt` is empty, or says why the forecast is not to be trusted.
    """

    law: PowerLaw
    ratio: float
    ratio_interval: tuple[float, float]
    trial: float
    measured: float
    doubt: str


def affordable(samples: int, channels: int, labels: int) -> tuple[int, int]:
    """How many seeds, and of how many labels, the curve may take: within `CURVE_WORK`.

    First fewer seeds than `SEEDS`, then fewer labels, and the photos of these alone. 0 labels
    where fewer than `FEWEST_LABELS` would be left.
    """
    work = float(max(1, samples)) * channels * labels
    if work <= CURVE_WORK:
        return min(SEEDS, int(CURVE_WORK // work)), labels
    # Photos go with their labels: the work falls with the square.
    kept = int(labels * (CURVE_WORK / work) ** 0.5)
    return 1, kept if kept >= FEWEST_LABELS else 0


def measure(
    training: HeadInputs,
    checks: HeadInputs,
    labels: int,
    settings: HeadSettings | None = None,
    seeds: int = SEEDS,
    step: Callable[[], None] = lambda: None,
) -> Curve:
    """Fit a head to nested shares of the photos, evenly over labels; err on `checks`.

    It is the head that `retrain` fits, so that the curve is that of a user who has fewer
    photos. `step` is called after every head: ``len(SHARES) * seeds`` times.
    """
    settings = settings or HeadSettings()
    counts = np.zeros(len(SHARES))
    wrong = np.zeros((len(SHARES), seeds, len(checks.indices)), np.bool_)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = [rng.permutation(np.flatnonzero(training.indices == k)) for k in range(labels)]
        head: Head | None = None
        for i, share in enumerate(SHARES):
            rows = _share_of(order, share)
            # Nested shares: a larger one only adds photos, so that points differ by the number
            # of photos and not by which were drawn; and the next head is near the last.
            counts[i] = len(rows)
            head = _head(training.some(np.sort(rows)), labels, settings, head)
            wrong[i, seed] = head.logits(checks.values).argmax(1) != checks.indices
            step()
    return Curve(counts, wrong)


def _share_of(order: list[NDArray[np.intp]], share: float) -> NDArray[np.intp]:
    """The first photos of every label, at least one: shares of one order are nested."""
    return np.concatenate([rows[: max(1, round(share * len(rows)))] for rows in order])


def _head(inputs: HeadInputs, labels: int, settings: HeadSettings, start: Head | None) -> Head:
    return fit_head(
        inputs.values,
        np.tile(inputs.indices, inputs.views),
        labels,
        strength=settings.strength,
        class_weights=settings.class_weights,
        silent=settings.silent,
        views=inputs.views,
        start=start,
    )


def fit(counts: NDArray[np.float64], errors: NDArray[np.float64]) -> PowerLaw:
    """Least squares with ``a, b ≥ 0``, exponents tried from a grid."""
    a, b, c = fit_rows(counts, errors[np.newaxis])
    return PowerLaw(float(a[0]), float(b[0]), float(c[0]))


def fit_rows(
    counts: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit a law to each row of `errors` ``[r, k]``; a, b and c, each float64 ``[r]``."""
    # For a given exponent the law is linear in a and b and solved in closed form, so a grid
    # of exponents finds the least squares of all three without a start value or an
    # iteration that may end in a local minimum; and all resamples are solved together.
    x = counts[np.newaxis, :] ** -EXPONENTS[:, np.newaxis]
    middle, mean = x.mean(axis=1), errors.mean(axis=1, keepdims=True)
    spread = x - middle[:, np.newaxis]
    b = (errors @ spread.T) / (spread**2).sum(axis=1)
    a = mean - b * middle
    free = (a >= 0) & (b >= 0)
    # Where the best line breaks a bound, the best one within lies on an edge: b = 0 or a = 0.
    steep = np.maximum(0.0, (errors @ x.T) / (x**2).sum(axis=1))
    lines = (
        (np.where(free, a, mean), np.where(free, b, 0.0)),
        (np.where(free, a, 0.0), np.where(free, b, steep)),
    )
    offsets, slopes = (np.concatenate(parts, axis=1) for parts in zip(*lines, strict=True))
    curves = np.concatenate([x, x])
    guesses = offsets[:, :, np.newaxis] + slopes[:, :, np.newaxis] * curves
    missed = ((guesses - errors[:, np.newaxis]) ** 2).sum(axis=2)
    rows, best = np.arange(len(errors)), missed.argmin(axis=1)
    return offsets[rows, best], slopes[rows, best], np.tile(EXPONENTS, 2)[best]


def forecast(curve: Curve, seed: int = 1) -> Forecast:
    """Carry the curve on to twice the photos, and say whether to believe it."""
    counts, errors = curve.counts, curve.errors
    rng = np.random.default_rng(seed)
    drawn = np.array([_resampled(curve, rng) for _ in range(RESAMPLES)])
    # Whoever had at most half of the photos could have foretold what all of them give: a
    # forecast over a doubling whose truth is known, as a test of the one that is wanted.
    early = counts <= counts[-1] / 2 * 1.02

    def tried(errors: NDArray[np.float64]) -> NDArray[np.float64]:
        return _values(*fit_rows(counts[early], errors[:, early]), counts[-1])

    law = fit(counts, errors)
    ratio = float(_ratio(law.a, law.b, law.c, counts[-1]))
    ratios = _ratio(*fit_rows(counts, drawn), counts[-1])
    trial, measured = float(tried(errors[np.newaxis])[0]), float(errors[-1])
    interval = _interval(ratio, ratios, abs(trial - measured) / measured if measured else 0.0)
    doubt = _doubt(curve, float(np.percentile(drawn[:, 0] - drawn[:, -1], 2.5)))
    chance = 2 * float(np.std(tried(drawn) - drawn[:, -1]))
    if not doubt and abs(trial - measured) > max(TRIAL_SLACK, chance):
        doubt = (
            f"a trial with half of the photos foretold {trial:.1%} mistakes for all of them, "
            f"but {measured:.1%} were measured"
        )
    if not doubt and interval[1] - interval[0] > WIDEST:
        doubt = "too many answers fit the measurements equally well"
    return Forecast(law, ratio, interval, trial, measured, doubt)


def _interval(ratio: float, ratios: NDArray[np.float64], missed: float) -> tuple[float, float]:
    """The 95 % interval of `ratio`: chance, from resampling, and the law's own error.

    `missed` is by what share of itself the trial, also over a doubling, missed. More
    photos are taken to do no harm.
    """
    low, high = np.percentile(ratios, (2.5, 97.5))
    off = missed * ratio
    # Independent errors add as squares, on either side apart: resampling is not symmetric.
    return (
        float(max(0.0, ratio - np.hypot(max(0.0, ratio - low), off))),
        float(min(1.0, ratio + np.hypot(max(0.0, high - ratio), off))),
    )


def _values(a: Any, b: Any, c: Any, n: float) -> NDArray[np.float64]:
    return np.asarray(a + b * n**-c, np.float64)


def _ratio(a: Any, b: Any, c: Any, n: float) -> NDArray[np.float64]:
    """The share of mistakes that remains with twice `n` photos; all of none is all."""
    now, then = _values(a, b, c, n), _values(a, b, c, 2 * n)
    return np.where(now > 0, then / np.maximum(now, 1e-12), 1.0)


def _resampled(curve: Curve, rng: np.random.Generator) -> NDArray[np.float64]:
    """Errors on check photos and seeds drawn with replacement, the same for every count.

    The same, because points of one curve share their check photos: drawn anew for each they
    would scatter more than the curve's slope does.
    """
    _, seeds, checks = curve.wrong.shape
    drawn = curve.wrong[:, rng.integers(0, seeds, seeds)][:, :, rng.integers(0, checks, checks)]
    return np.asarray(drawn.mean(axis=(1, 2)), np.float64)


def _doubt(curve: Curve, least_drop: float) -> str:
    if curve.counts[-1] < FEWEST_PHOTOS:
        return f"{curve.counts[-1]:.0f} training photos are too few to see a trend"
    if curve.wrong.shape[2] < FEWEST_CHECKS:
        return f"{curve.wrong.shape[2]} photos to check on are too few to see a trend"
    if curve.errors[-1] == 0:
        return "with all photos no mistake is left that more of them could cure"
    if least_drop <= 0:
        return "the mistakes do not clearly become fewer with more photos"
    return ""
