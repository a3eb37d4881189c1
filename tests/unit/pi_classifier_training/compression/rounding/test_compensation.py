"""Rounding errors made good by later weights, against slower definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.compression.rounding.levels import (
    LARGEST_MULTIPLE,
    Compensation,
    code_lengths,
    refit,
)

Array = NDArray[np.float64]


FREE = np.zeros(2 * LARGEST_MULTIPLE + 1)


def of(multiples: float | Array) -> NDArray[np.int64]:
    """Where multiples stand among code lengths."""
    return np.asarray(multiples, np.int64) + LARGEST_MULTIPLE


def row(*values: float) -> Array:
    """One group with one row."""
    return np.array([[values]], np.float64)


class TestCodeLengths:
    def test_frequent_values_cost_what_entropy_says(self) -> None:
        lengths = code_lengths(np.array([0.0] * 60_000 + [1.0] * 30_000))
        # Counts get half of one, the total a thousand: next to nothing among 90,000.
        assert lengths[of(0)] == pytest.approx(-math.log2(60_000.5 / 91_000))
        assert lengths[of(1)] == pytest.approx(-math.log2(30_000.5 / 91_000))

    def test_a_multiple_that_does_not_occur_costs_about_as_much_as_a_single_one(self) -> None:
        lengths = code_lengths(np.array([0.0] * 4095 + [2.0]))
        rare, missing = lengths[of(2)], lengths[of(3)]
        assert rare < missing <= rare + 2


def covariances(groups: int, inputs: int, seed: int = 1) -> Array:
    samples = np.random.default_rng(seed).normal(size=(groups, 5 * inputs, inputs))
    samples = samples + samples.mean(axis=2, keepdims=True)
    product: Array = np.swapaxes(samples, 1, 2) @ samples / samples.shape[1]
    return product


class TestRefit:
    def test_is_the_least_squares_fit_to_the_samples(self) -> None:
        rng = np.random.default_rng(1)
        before = rng.normal(size=(200, 4))
        now = before @ rng.normal(size=(4, 4)) + 0.1 * rng.normal(size=(200, 4))
        weights = rng.normal(size=(3, 4))
        own, crossed = now.T @ now / 200, now.T @ before / 200
        fitted = refit(weights[None], own[None], crossed[None], np.zeros((1, 1, 1)))
        expected = np.linalg.lstsq(now, before @ weights.T, rcond=None)[0].T
        assert fitted[0] == pytest.approx(expected, rel=1e-8)

    def test_damping_holds_it_near_the_weights(self) -> None:
        own = covariances(1, 3)
        off = [
            float(np.abs(refit(row(1.0, 2.0, 3.0), own, own / 2, np.full((1, 1, 1), d))
                         - row(1.0, 2.0, 3.0)).max())
            for d in (0.0, 1.0, 100.0)
        ]  # fmt: skip
        assert off[0] > off[1] > off[2]
        assert off[2] < 0.05

    def test_an_input_that_became_useless_gets_no_weight_of_its_own(self) -> None:
        # The second input is now always 0: with damping it keeps its weight, to no effect.
        own = np.diag([1.0, 0.0])[None]
        fitted = refit(row(1.0, 2.0), own, np.diag([1.0, 0.0])[None], np.full((1, 1, 1), 0.01))
        assert fitted == pytest.approx(row(1.0, 2.0))


def surgeon(weights: Array, step: float, covariance: Array) -> Array:
    """Optimal brain surgeon, the slow way: round a weight, solve for the best others, go on.

    Hassibi and Stork 1993: the rest take back the error by the inverse of the covariance
    of the inputs that are still free.
    """
    left = weights.copy()
    order = np.argsort(-np.diag(covariance), kind="stable")
    for place, j in enumerate(order):
        free = order[place + 1 :]
        rounded = np.rint(left[j] / step) * step
        if len(free):
            # Least squares: what the free inputs must add to make good (left − rounded) · x_j.
            solved = np.linalg.solve(covariance[np.ix_(free, free)], covariance[free, j])
            left[free] += (left[j] - rounded) * solved
        left[j] = rounded
    return left


class TestCompensation:
    @pytest.mark.parametrize("seed", range(6))
    def test_is_what_solving_for_the_free_weights_after_each_rounding_gives(
        self, seed: int
    ) -> None:
        covariance = covariances(1, 7, seed)
        weights = np.random.default_rng(seed).normal(size=(1, 4, 7))
        steps = np.array([[0.25, 0.5, 0.125, 1.0]])
        rounded = Compensation.of(covariance).rounded(weights, steps, np.ones((1, 4)), 0.0, FREE)
        for i in range(4):
            expected = surgeon(weights[0, i], float(steps[0, i]), covariance[0])
            assert rounded[0, i] == pytest.approx(expected)

    def test_two_equal_inputs_share_their_error(self) -> None:
        # Almost the same input twice: 0.4 and 0.4 make 0.8, so one of them becomes 1.
        covariance = np.array([[[1.0, 0.999], [0.999, 1.0]]])
        rounded = Compensation.of(covariance).rounded(
            row(0.4, 0.4), np.ones((1, 1)), np.ones((1, 1)), 0.0, FREE
        )
        assert sorted(rounded.ravel().tolist()) == [0.0, 1.0]

    def test_the_most_excited_input_is_rounded_first_and_so_to_its_nearest(self) -> None:
        covariance = np.array([[[1.0, 1.5], [1.5, 9.0]]])
        compensation = Compensation.of(covariance)
        assert compensation.order.tolist() == [1, 0]
        rounded = compensation.rounded(row(0.2, 0.6), np.ones((1, 1)), np.ones((1, 1)), 0.0, FREE)
        assert rounded[0, 0, 1] == 1.0

    def test_groups_do_not_mix(self) -> None:
        both = covariances(2, 5)
        # One order serves all groups: that of their summed excitation.
        both[1] = both[0] * 3
        weights = np.random.default_rng(3).normal(size=(2, 2, 5))
        steps = np.full((2, 2), 0.25)
        whole = Compensation.of(both).rounded(weights, steps, np.ones((2, 2)), 0.0, FREE)
        for g in range(2):
            alone = Compensation.of(both[g : g + 1]).rounded(
                weights[g : g + 1], steps[g : g + 1], np.ones((1, 2)), 0.0, FREE
            )
            assert whole[g] == pytest.approx(alone[0])

    def test_what_is_on_the_grid_stays(self) -> None:
        weights = 0.5 * np.arange(-4, 5, dtype=float)[None, None]
        rounded = Compensation.of(covariances(1, 9)).rounded(
            weights, np.full((1, 1), 0.5), np.ones((1, 1)), 0.0, FREE
        )
        assert (rounded == weights).all()

    @given(st.sampled_from([0.51, 0.6, 0.9, 1.4, 1.6, 2.4]), st.sampled_from([0.0, 0.3, 3.0, 9.0]))
    def test_one_weight_takes_the_cheapest_of_three_values(
        self, weight: float, price: float
    ) -> None:
        """By trying all: the nearest multiple, the next towards zero, zero."""
        lengths = FREE + 5.0
        lengths[of(0)] = 1.0  # zero is cheap
        sensitivity, variance = 3.0, 2.0

        def cost(value: float) -> float:
            bits = float(lengths[of(value)])
            return sensitivity * variance / 2 * (weight - value) ** 2 + price * bits

        nearest = round(weight)
        expected = min((nearest, nearest - 1, 0), key=cost)
        rounded = Compensation.of(np.full((1, 1, 1), variance)).rounded(
            row(weight), np.ones((1, 1)), np.full((1, 1), sensitivity), price, lengths
        )
        assert cost(rounded.item()) == pytest.approx(cost(expected))
        assert rounded.item() == expected


class TestSteps:
    @given(
        st.sampled_from([0.3, 1.0, 7.0]),
        st.sampled_from([0.5, 1.0, 4.0]),
        st.sampled_from([2.0**-30, 2.0**-20]),
    )
    def test_a_step_costs_its_tolerance_within_a_power_of_two(
        self, sensitivity: float, variance: float, tolerance: float
    ) -> None:
        plain = Compensation.of(variance * np.eye(3)[None])
        step = plain.steps(np.full((1, 1), sensitivity), tolerance).item()
        harm = step**2 * variance * sensitivity / 24
        assert 0.499 <= harm / tolerance <= 2.001

    def test_inputs_that_say_the_same_allow_coarser_steps(self) -> None:
        """What counts is an input's variance given the others: their determinant."""
        alike = np.full((1, 4, 4), 0.99) + 0.01 * np.eye(4)
        step = Compensation.of(alike).steps(np.ones((1, 1)), 2.0**-20).item()
        variance = float(np.linalg.det(alike[0]) ** 0.25)
        exact = math.sqrt(24 * 2.0**-20 / variance)
        assert variance < 0.1
        assert 2**-0.5 <= step / exact <= 2**0.5


def test_rounding_of_all_small_kernels_never_harms_more_than_the_nearest_by_much() -> None:
    """On a coarse grid, exhaustively: greedy compensation stays close to the very best."""
    covariance = covariances(1, 3, seed=5)
    for weights in itertools.product((-0.6, 0.1, 0.45), repeat=3):
        exact = row(*weights)
        rounded = Compensation.of(covariance).rounded(
            exact, np.ones((1, 1)), np.ones((1, 1)), 0.0, FREE
        )

        def harm(candidate: Array, exact: Array = exact) -> float:
            error = (candidate - exact)[0, 0]
            return float(error @ covariance[0] @ error)

        best = min(harm(row(*c)) for c in itertools.product((-1.0, 0.0, 1.0), repeat=3))
        assert harm(rounded) <= 3 * best + 1e-9


def inputs(groups: int, size: int, seed: int = 1) -> Array:
    """Covariances of correlated inputs."""
    mixed = np.random.default_rng(seed).normal(size=(groups, 4 * size, size))
    mixed = mixed + 2 * mixed.mean(axis=2, keepdims=True) * size**0.5
    product: Array = np.swapaxes(mixed, 1, 2) @ mixed / (4 * size)
    return product


def harm(error: Array, covariance: Array) -> float:
    return float(np.einsum("gri,gij,grj->", error, covariance, error))


@pytest.mark.parametrize("shape", [(1, 6, 16), (8, 1, 9)])
def test_errors_are_made_good(shape: tuple[int, ...]) -> None:
    """Where inputs are correlated, the outputs suffer far less than by plain rounding."""
    weights = np.random.default_rng(2).normal(size=shape)
    covariance = inputs(shape[0], shape[2])
    steps = np.full(shape[:2], 0.25)
    rounded = Compensation.of(covariance).rounded(weights, steps, np.ones(shape[:2]), 0.0, FREE)
    nearest = np.rint(weights / 0.25) * 0.25
    assert (rounded / 0.25 == np.rint(rounded / 0.25)).all()
    assert harm(rounded - weights, covariance) < 0.7 * harm(nearest - weights, covariance)


def test_uncorrelated_inputs_are_rounded_to_the_nearest() -> None:
    weights = np.random.default_rng(3).normal(size=(1, 4, 8))
    steps = np.full((1, 4), 0.5)
    rounded = Compensation.of(2 * np.eye(8)[None]).rounded(
        weights, steps, np.ones((1, 4)), 0.0, FREE
    )
    assert (rounded == np.rint(weights / 0.5) * 0.5).all()


def test_a_price_for_bits_makes_frequent_values_more_frequent() -> None:
    weights = np.random.default_rng(4).normal(size=(1, 32, 16))
    covariance, steps = inputs(1, 16), np.full((1, 32), 0.25)
    lengths = code_lengths(np.rint(weights / 0.25))
    sizes = []
    for price in (0.0, 0.02, 0.2):
        rounded = Compensation.of(covariance).rounded(
            weights, steps, np.ones((1, 32)), price, lengths
        )
        sizes.append(float(lengths[of(rounded / 0.25)].sum()))
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize(
    ("weight", "dear", "expected"),
    [(-1.6, -2.0, -1.0), (1.6, 2.0, 1.0), (-1.6, 9.0, -2.0), (0.6, 1.0, 0.0)],
)
def test_a_dear_value_gives_way_to_the_next_towards_zero(
    weight: float, dear: float, expected: float
) -> None:
    lengths = np.zeros_like(FREE)
    lengths[of(dear)] = 10
    one = np.ones((1, 1))
    plain = Compensation.of(np.ones((1, 1, 1)))
    assert plain.rounded(np.full((1, 1, 1), weight), one, one, 0.1, lengths).item() == expected


def test_code_lengths() -> None:
    lengths = code_lengths(np.array([0.0] * 90 + [1.0] * 10))
    assert lengths[of(0)] < lengths[of(1)] < lengths[of(2)] == lengths[of(-1)]
    # What lies beyond 16 bits counts with the outermost.
    assert code_lengths(np.full(9, 1e6))[-1] < 7


def test_refit_undoes_what_happened_to_the_inputs() -> None:
    """Inputs halved on their way need weights twice as large."""
    weights = np.random.default_rng(5).normal(size=(1, 3, 4))
    covariance = inputs(1, 4)
    halved = refit(weights, covariance / 4, covariance / 2, np.full((1, 1, 1), 1e-9))
    assert halved == pytest.approx(2 * weights, rel=1e-5)
    same = refit(weights, covariance, covariance, np.full((1, 1, 1), 0.1))
    assert same == pytest.approx(weights)


def test_sensitive_channels_get_finer_steps() -> None:
    sensitivity = np.array([[1.0, 4.0, 16.0]])
    steps = Compensation.of(inputs(1, 5)).steps(sensitivity, 1e-4)
    assert (steps[0, 0] / steps[0]).tolist() == [1, 2, 4]
    assert (Compensation.of(inputs(1, 5)).steps(sensitivity, 4e-4) == 2 * steps).all()
    # s²·v·S / 24 is the tolerance; with v = S = 1 a step of √2 lies between the powers.
    plain = Compensation.of(np.eye(5)[None])
    assert plain.steps(np.ones((1, 1)), 1.9 / 24).item() == 1
    assert plain.steps(np.ones((1, 1)), 2.1 / 24).item() == 2
