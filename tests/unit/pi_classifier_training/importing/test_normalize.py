"""How imported networks want their pixels, and what their first steps say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.normalize import Stated, choose_normalization, whole_range
from pi_classifier_training.importing.original import Original
from pi_classifier_training.importing.raw_pixels import file_takes_raw_pixels

from pi_classifier.modelfile.tflite_graph import TensorSpec, read_graph
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS, Normalization
from tests.unit.pi_classifier_training.small_graphs import Network


def stored(spec: TensorSpec, normalization: Normalization, pixel: int) -> float:
    """q = (x − mean) / (std · scale) + zero point."""
    real = (pixel - normalization.mean[0]) / normalization.std[0]
    return real / spec.scale + spec.zero_point


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "lowest"),
    [
        ("uint8", 1.0, 0, 0),
        ("uint8", 1 / 127.5, 127, 0),
        ("int8", 1 / 255, -128, -128),
        ("int8", 0.02, 3, -128),
    ],
)
def test_the_whole_range_of_an_integer_input_is_used(
    dtype: Any, scale: float, zero_point: int, lowest: int
) -> None:
    spec = TensorSpec((1, 8, 8, 3), dtype, scale, zero_point)
    found = whole_range(spec)
    for pixel in (0, 1, 127, 255):
        assert stored(spec, found, pixel) == pytest.approx(pixel + lowest, abs=1e-6)


def test_an_input_without_a_scale_takes_pixels_as_they_are() -> None:
    assert whole_range(TensorSpec((1, 8, 8, 3), "uint8", 0.0, 0)) == RAW_PIXELS


def original(**known: Any) -> Original:
    nothing: Any = None
    return Original("tflite", Path("m.tflite"), b"", nothing, **known)


def graph(dtype: str = "float32") -> Any:
    network = Network()
    x = network.input(1, 8, 8, 3, dtype=dtype)
    axes = network.constant(np.array([1, 2], np.int32))
    network.operation("SOFTMAX", (network.operation("MEAN", (x, axes), (1, 3)),), (1, 3))
    return read_graph(memoryview(network.data()))


MOBILENET = Normalization((127.5,), (127.5,))


class TestChoice:
    def chosen(self, stated: Stated | None = None, dtype: str = "float32", **known: Any) -> Any:
        return choose_normalization(Path("m.tflite"), original(**known), graph(dtype), stated)

    def test_what_is_stated_wins(self) -> None:
        found = self.chosen(Stated((0.0,), (255.0,)), takes_raw_pixels=True)
        assert found == (Normalization((0.0,), (255.0,)), "as stated")

    def test_a_normalization_inside_the_graph_goes_before_what_the_makers_do(self) -> None:
        found = self.chosen(takes_raw_pixels=True, normalization=MOBILENET)
        assert found == (RAW_PIXELS, "the model normalizes them itself")

    def test_then_what_the_makers_are_known_to_do(self) -> None:
        found = self.chosen(normalization=MOBILENET, normalization_source="as Keras does")
        assert found == (MOBILENET, "as Keras does")

    def test_where_nothing_is_known_nothing_is_guessed(self) -> None:
        with pytest.raises(
            ExportError, match=r"nothing says how they were normalized.*--mean 127"
        ):
            self.chosen()

    def test_three_equal_values_are_one(self) -> None:
        found, _ = self.chosen(Stated((127.5,) * 3, (127.5,) * 3))
        assert found == MOBILENET
        kept, _ = self.chosen(Stated((1.0, 2.0, 3.0), (5.0,) * 3))
        assert kept == Normalization((1.0, 2.0, 3.0), (5.0,) * 3)

    @pytest.mark.parametrize(
        ("mean", "std", "says"),
        [
            ((1.0,), (1.0, 2.0, 3.0), "--mean has 1 and --std 3 values"),
            ((1.0, 2.0), (1.0, 2.0), "--mean has 2 and --std 2 values"),
            ((0.0,), (0.0,), "expected numbers above 0"),
            ((0.0,), (-1.0,), "expected numbers above 0"),
            ((0.0,), (float("nan"),), "expected numbers above 0"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, mean: tuple[float, ...], std: tuple[float, ...], says: str
    ) -> None:
        with pytest.raises(ExportError, match=says):
            self.chosen(Stated(mean, std))


def first_steps(*steps: tuple[str, float]) -> bytes:
    """A network that begins with arithmetic with constants, then a convolution."""
    network = Network()
    x = network.input(1, 4, 4, 3)
    for kind, value in steps:
        if kind == "RELU":
            x = network.operation(kind, (x,), (1, 4, 4, 3))
        else:
            constant = network.constant(np.full(3, value, np.float32))
            x = network.operation(kind, (x, constant), (1, 4, 4, 3))
    network.conv(x, np.ones((2, 1, 1, 3)), (1, 4, 4, 2))
    return network.data()


class TestFirstSteps:
    @pytest.mark.parametrize(
        ("steps", "raw"),
        [
            ((("MUL", 1 / 255),), True),
            ((("MUL", 1 / 127.5), ("SUB", 1.0)), True),
            ((("SUB", 127.5), ("MUL", 1 / 127.5)), True),
            ((("SUB", 123.675),), True),
            ((("DIV", 255.0),), True),
            # Small constants come from a network that wants small numbers.
            ((("SUB", 0.5), ("MUL", 2.0)), False),
            ((("MUL", 2.0),), False),
            ((("SUB", 1.0),), False),
            # A batch norm's factor of nothing is no normalization.
            ((("MUL", 0.0),), False),
            ((), False),
            ((("RELU", 0.0), ("MUL", 1 / 255)), False),
        ],
    )
    def test_pixels_from_0_to_255_are_known_by_the_constants(
        self, steps: tuple[tuple[str, float], ...], raw: bool
    ) -> None:
        assert file_takes_raw_pixels(first_steps(*steps)) is raw

    @pytest.mark.parametrize(
        ("step", "raw"),
        [(("MUL", 0.0199), True), (("MUL", 0.0201), False), (("DIV", 50.1), True),
         (("DIV", 49.9), False), (("SUB", 50.0), True), (("SUB", 49.9), False)],
    )  # fmt: skip
    def test_the_borders(self, step: tuple[str, float], raw: bool) -> None:
        assert file_takes_raw_pixels(first_steps(step)) is raw

    def test_a_fork_before_the_first_step_says_nothing(self) -> None:
        network = Network()
        x = network.input(1, 4, 4, 3)
        scaled = network.operation(
            "MUL", (x, network.constant(np.full(3, 1 / 255, np.float32))), (1, 4, 4, 3)
        )
        network.operation("ADD", (x, scaled), (1, 4, 4, 3))
        assert file_takes_raw_pixels(network.data()) is False
