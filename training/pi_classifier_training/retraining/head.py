"""A new head for known features: multinomial logistic regression, solved, not trained.

The features are standardized, which the kernel takes over in the end: the head is a plain
dense layer. What is made small is the mean cross-entropy plus ``strength / (2 n)`` times the
sum of the squared weights of standardized features, n photos; the bias goes free. It is convex,
so there is no rate, no number of epochs and no seed to choose: L-BFGS (Liu and Nocedal 1989)
ends where nothing gets better.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.data.dataset import evenly_over_labels
from pi_classifier_training.retraining.epochs import figures_of, label_weights

# What cross-validation finds for most sets lies near it.
STRENGTH = 32.0
# Strong to weak: from one minimum to the next it is not far.
STRENGTHS = (128.0, 32.0, 8.0, 2.0)
FOLDS = 5
FITS = FOLDS * len(STRENGTHS)
# More photos would say the same of the strength, later.
FOLDED_PHOTOS = 6_000
# Of the mean gradient's largest part. scikit-learn's, too.
TOLERANCE = 1e-4
MOST_ITERATIONS = 1_000
# Features are looked at in portions of this size: memory stays the same for any number of photos.
_PORTION_BYTES = 16 << 20

Step = Callable[[], None]
ClassWeights = Literal["auto", "none"]


class Features(Protocol):
    """Features of photos: an array, or what is as large and read from the disk in slices."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A dense layer: kernel float32 ``[channels, labels]``, bias float32 ``[labels]``.

    `strength` is that of the penalty it was fitted with.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float

    def logits(self, features: Features) -> NDArray[np.float32]:
        """What the layer says of features ``[n, channels]``, float32 ``[n, labels]``."""
        return np.concatenate(
            [features[rows] @ self.kernel + self.bias for rows in _portions(features)]
        )

    def figures(self, features: Features, indices: NDArray[np.int64]) -> dict[str, float]:
        """Accuracy and cross-entropy on these photos, as ``validation_accuracy`` and so on."""
        return figures_of(self.logits(features), indices)


def fit_head(
    features: Features,
    indices: NDArray[np.int64],
    labels: int,
    *,
    strength: float = STRENGTH,
    class_weights: ClassWeights = "auto",
    silent: Collection[int] = (),
    views: int = 1,
    start: Head | None = None,
    step: Step = lambda: None,
) -> Head:
    """Fit a head to features float32 ``[n, channels]`` with label indices int64 ``[n]``.

    The same features give the same head, bit for bit. With `class_weights` ``auto`` rare labels
    weigh more, and `silent` ones, of which there may be very many photos, not too much
    (`label_weights`). `views` says how often every photo comes, so that copies do
    not weaken the penalty. `start` is where to begin, sooner done where it is near; `step` is
    called at every iteration.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    weights = label_weights(indices, labels, class_weights, silent)
    # Threads would sum in another order on another machine; and wait for one another here.
    with threadpool_limits(1, "blas"):
        objective = _Objective(features, indices, weights, strength * views / len(indices))
        solution = minimize(
            objective,
            objective.parameters_of(start),
            jac=True,
            method="L-BFGS-B",
            callback=lambda _: step(),
            options={"gtol": TOLERANCE, "ftol": 0, "maxiter": MOST_ITERATIONS},
        )
    kernel, bias = objective.folded(solution.x)
    return Head(kernel.astype(np.float32), bias.astype(np.float32), strength)


class _Objective:
    """Loss and gradient of the weights of standardized features, read portion by portion."""

    def __init__(
        self,
        features: Features,
        indices: NDArray[np.int64],
        weights: NDArray[np.float32],
        decay: float,
    ) -> None:
        self._features, self._indices, self._decay = features, indices, decay
        self._weights = weights / weights[indices].mean(dtype=np.float64)
        self._shape = (features.shape[1] + 1, len(weights))
        self._mean, self._deviation, span = _moments(features)
        # A channel that never moves says nothing, and must not be blown up to noise.
        moves = self._deviation > 1e-6 * (1 + np.abs(self._mean))
        # One that moves less than a step of 8 bits says nothing to a full-integer file, which
        # would blow its own rounding up.
        self._deviation = np.maximum(self._deviation, span / 255)
        self._scale = np.divide(1, self._deviation, out=np.zeros(len(moves)), where=moves)

    def __call__(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        standardized = parameters.reshape(self._shape)[:-1]
        kernel, bias = (part.astype(np.float32) for part in self.folded(parameters))
        loss, by_kernel, by_bias = 0.0, np.zeros_like(standardized), np.zeros(self._shape[1])
        for rows in _portions(self._features):
            features, truth = self._features[rows], self._indices[rows]
            logits = features @ kernel + bias
            logits -= logits.max(axis=1, keepdims=True)
            scores = np.exp(logits)
            sums = scores.sum(axis=1)
            photos, weights = np.arange(len(truth)), self._weights[truth].astype(np.float32)
            loss += float(weights @ (np.log(sums) - logits[photos, truth]).astype(np.float64))
            scores /= sums[:, np.newaxis]
            scores[photos, truth] -= 1
            scores *= weights[:, np.newaxis]
            by_kernel += features.T @ scores
            by_bias += scores.sum(axis=0, dtype=np.float64)
        n = len(self._indices)
        gradient = np.empty(self._shape)
        # The chain rule through `folded`: features are never standardized, which would copy them.
        gradient[:-1] = by_kernel - np.outer(self._mean, by_bias)
        gradient[:-1] = gradient[:-1] * self._scale[:, np.newaxis] / n + self._decay * standardized
        gradient[-1] = by_bias / n
        return loss / n + self._decay / 2 * float((standardized**2).sum()), gradient.ravel()

    def folded(
        self, parameters: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Kernel and bias for features as they are, of those for standardized ones."""
        standardized = parameters.reshape(self._shape)
        kernel = standardized[:-1] * self._scale[:, np.newaxis]
        return kernel, standardized[-1] - self._mean @ kernel

    def parameters_of(self, head: Head | None) -> NDArray[np.float64]:
        """The parameters at which `folded` gives `head`; zeros without one."""
        standardized = np.zeros(self._shape)
        if head is not None:
            standardized[:-1] = head.kernel * self._deviation[:, np.newaxis]
            standardized[-1] = head.bias + self._mean @ head.kernel
        return standardized.ravel()


def _portions(features: Features) -> Iterator[slice]:
    n, channels = features.shape
    rows = max(1, _PORTION_BYTES // (4 * channels))
    return (slice(start, min(n, start + rows)) for start in range(0, n, rows))


def _moments(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Mean and standard deviation of every channel; what lies between the least and the most."""
    total, squares = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    least, most = np.inf, -np.inf
    for rows in _portions(features):
        total += features[rows].sum(axis=0, dtype=np.float64)
        least, most = min(least, features[rows].min()), max(most, features[rows].max())
    mean = total / features.shape[0]
    for rows in _portions(features):
        squares += ((features[rows] - mean) ** 2).sum(axis=0)
    return mean, np.sqrt(squares / features.shape[0]), float(most - least)


def choose_strength(
    features: Features,
    indices: NDArray[np.int64],
    labels: int,
    groups: Sequence[str] | None = None,
    *,
    class_weights: ClassWeights = "auto",
    silent: Collection[int] = (),
    step: Step = lambda: None,
) -> float:
    """The strength with the lowest cross-entropy on photos left out in turn, of `STRENGTHS`.

    Row i of `features` is photo i, int64 ``[n]`` label `indices`; rows after the n-th, other
    views of the photos, are not looked at. `groups` name what belongs together: the frames of
    a video are never on both sides. `step` is called after every fit, `FITS` times at most.
    """
    photos = np.arange(len(indices))
    if len(photos) > FOLDED_PHOTOS:
        truth = [str(index) for index in indices.tolist()]
        per_label = max(FOLDS, FOLDED_PHOTOS // labels)
        photos = np.sort(evenly_over_labels(truth, per_label, seed=1))
    known = np.concatenate([features[i : i + 1] for i in photos.tolist()])
    truth_of = indices[photos]
    names = photos if groups is None else np.unique(groups, return_inverse=True)[1][photos]
    losses = np.zeros(len(STRENGTHS))
    for kept, left_out in _folds(truth_of, names):
        head = None
        for number, strength in enumerate(STRENGTHS):
            head = fit_head(
                known[kept], truth_of[kept], labels,
                strength=strength, class_weights=class_weights, silent=silent, start=head,
            )  # fmt: skip
            figures = head.figures(known[left_out], truth_of[left_out])
            losses[number] += figures["validation_cross_entropy"] * len(left_out)
            step()
    # Where nothing could be left out, nothing speaks for large weights.
    return STRENGTHS[int(losses.argmin())] if losses.any() else max(STRENGTHS)


def _folds(
    indices: NDArray[np.int64], groups: NDArray[Any]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Positions kept and left out, fold by fold, of about the same share of every label.

    None where no label has two photos.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    commonest = np.unique_counts(indices).counts.max()
    number = int(min(FOLDS, len(np.unique(groups)), commonest))
    if number < 2:
        return
    folds = StratifiedGroupKFold(number, shuffle=True, random_state=1)
    with warnings.catch_warnings():
        # Where a label has fewer photos than there are folds, some leave none of it out.
        warnings.simplefilter("ignore", UserWarning)
        yield from folds.split(np.zeros(len(indices)), indices, groups)
