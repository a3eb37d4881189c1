"""Would more photos help? Error against the number of training photos, carried on to twice.

Only a head is trained, again and again, on features that no photo of the run has shaped;
the error is fitted by an inverse power law, ``error = a + b · n^-c`` (Figueroa et al. 2012,
"Predicting sample size required for classification performance").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Steps of √2 from an eighth up: enough points for three parameters and a trial forecast.
SHARES = (0.125, 0.177, 0.25, 0.354, 0.5, 0.707, 1.0)
SEEDS = 5
STEPS = 250
RATE = 0.02
LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 1e-4
RESAMPLES = 400
EXPONENTS = np.linspace(0.05, 1.5, 30)
# Below these counts the points say more about chance than about photos.
FEWEST_PHOTOS, FEWEST_CHECKS = 80, 60
# Beyond this many multiplications a step the curve would take longer than the training.
LARGEST_STEP = 4e9
# The trial forecast may miss by two standard errors, or by this much.
TRIAL_SLACK = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What the untrained-on network says of photos: float32 ``[n, channels]``, int64 ``[n]``."""

    values: NDArray[np.float32]
    indices: NDArray[np.int64]


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


def too_much(training: int, channels: int, labels: int) -> bool:
    """Whether the curve would need too much computing to be worth it."""
    return float(training) * channels * labels > LARGEST_STEP


def measure(
    training: Features,
    checks: Features,
    labels: int,
    seeds: int = SEEDS,
    step: Callable[[], None] = lambda: None,
) -> Curve:
    """Train a head on nested shares of the photos, evenly over labels; err on `checks`.

    `step` is called after every head: ``len(SHARES) * seeds`` times.
    """
    scale = training.values.std(axis=0) + 1e-6
    centre = training.values.mean(axis=0)
    inputs = (training.values - centre) / scale
    against = (checks.values - centre) / scale
    counts = np.zeros(len(SHARES))
    wrong = np.zeros((len(SHARES), seeds, len(checks.indices)), np.bool_)
    for seed in range(seeds):
        order = _shuffled(training.indices, seed)
        for i, share in enumerate(SHARES):
            rows = _share_of(order, share)
            counts[i] = len(rows)
            # All photos are all photos, whatever the seed.
            if share == 1 and seed > 0:
                wrong[i, seed] = wrong[i, 0]
            else:
                weights = _head(inputs[rows], training.indices[rows], labels)
                wrong[i, seed] = (against @ weights[:-1] + weights[-1]).argmax(1) != checks.indices
            step()
    return Curve(counts, wrong)


def _shuffled(indices: NDArray[np.int64], seed: int) -> list[NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    return [rng.permutation(np.flatnonzero(indices == k)) for k in np.unique(indices)]


def _share_of(order: list[NDArray[np.intp]], share: float) -> NDArray[np.intp]:
    """The first photos of every label, at least one: shares of one order are nested."""
    return np.concatenate([rows[: max(1, round(share * len(rows)))] for rows in order])


def _head(
    inputs: NDArray[np.float32], indices: NDArray[np.int64], labels: int
) -> NDArray[np.float32]:
    """Softmax regression by Adam on all rows at once; weights and bias ``[channels+1, labels]``.

    The same loss as `retrain`'s head has; convex, so no seed plays a part.
    """
    n, channels = inputs.shape
    targets = np.full((n, labels), LABEL_SMOOTHING / labels, np.float32)
    targets[np.arange(n), indices] += 1 - LABEL_SMOOTHING
    padded = np.concatenate([inputs, np.ones((n, 1), np.float32)], axis=1)
    weights = np.zeros((channels + 1, labels), np.float32)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for t in range(1, STEPS + 1):
        logits = padded @ weights
        logits -= logits.max(axis=1, keepdims=True)
        scores = np.exp(logits)
        scores /= scores.sum(axis=1, keepdims=True)
        gradient = padded.T @ (scores - targets) / n + WEIGHT_DECAY * weights
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        rate = RATE * (1 - t / (STEPS + 1))
        weights -= rate * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.99**t)) + 1e-8)
    return weights


def fit(counts: NDArray[np.float64], errors: NDArray[np.float64]) -> PowerLaw:
    """Least squares with ``a, b ≥ 0``, exponents tried from a grid."""
    best, law = np.inf, PowerLaw(float(errors.mean()), 0.0, 1.0)
    for c in EXPONENTS:
        x = counts**-c
        for a, b in _lines(x, errors):
            missed = float(np.sum((a + b * x - errors) ** 2))
            if missed < best - 1e-15:
                best, law = missed, PowerLaw(a, b, float(c))
    return law


def _lines(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    """The best lines ``a + b·x`` with ``a, b ≥ 0``: the free one if it is, else its edges."""
    dx = x - x.mean()
    b = float(dx @ (y - y.mean()) / (dx @ dx))
    a = float(y.mean() - b * x.mean())
    if a >= 0 and b >= 0:
        return [(a, b)]
    return [(float(y.mean()), 0.0), (0.0, max(0.0, float(x @ y / (x @ x))))]


def forecast(curve: Curve, seed: int = 1) -> Forecast:
    """Carry the curve on to twice the photos, and say whether to believe it."""
    counts, errors = curve.counts, curve.errors
    law = fit(counts, errors)
    rng = np.random.default_rng(seed)
    ratios, drops, ends, trials = [], [], [], []
    early = counts <= counts[-1] / 2 * 1.02
    trial = float(fit(counts[early], errors[early])(counts[-1]))
    for _ in range(RESAMPLES):
        drawn = _resampled(curve, rng)
        again = fit(counts, drawn)
        ratios.append(_ratio(again, counts[-1]))
        drops.append(drawn[0] - drawn[-1])
        ends.append(drawn[-1])
        trials.append(float(fit(counts[early], drawn[early])(counts[-1])) - drawn[-1])
    low, high = (float(x) for x in np.percentile(ratios, (2.5, 97.5)))
    doubt = _doubt(curve, float(np.percentile(drops, 2.5)))
    miss = abs(trial - float(errors[-1]))
    if not doubt and miss > max(TRIAL_SLACK, 2 * float(np.std(trials))):
        doubt = (
            f"a trial with half of the photos foretold {trial:.1%} mistakes for all of them, "
            f"but {errors[-1]:.1%} were measured"
        )
    if not doubt and high - low > 0.5:
        doubt = "the answers of equally good fits lie too far apart"
    return Forecast(law, _ratio(law, counts[-1]), (low, high), trial, float(errors[-1]), doubt)


def _ratio(law: PowerLaw, n: float) -> float:
    now = float(law(n))
    return float(law(2 * n)) / now if now > 0 else 1.0


def _resampled(curve: Curve, rng: np.random.Generator) -> NDArray[np.float64]:
    """Errors on check photos and seeds drawn with replacement, the same for every count."""
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
