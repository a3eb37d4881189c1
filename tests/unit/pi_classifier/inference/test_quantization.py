from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.inference.quantization import PixelEncoder, ScoreDecoder, encoding_table
from pi_classifier.modelfile.tflite_graph import DType, TensorSpec
from pi_classifier.modelfile.tflite_metadata import Normalization

PIXELS = np.arange(2 * 128 * 3, dtype=np.uint8).reshape(2, 128, 3)
HALF = Normalization((127.5,), (127.5,))
CHANNELS = Normalization((123.7, 116.8, 103.9), (58.4, 57.1, 57.4))


def image(dtype: DType, scale: float = 0.0, zero_point: int = 0) -> TensorSpec:
    return TensorSpec((1, 2, 128, 3), dtype, scale, zero_point)


def reference(spec: TensorSpec, norm: Normalization) -> np.ndarray:
    """The formula, pixel by pixel."""
    low, high = (0, 255) if spec.dtype == "uint8" else (-128, 127)
    mean, std = (np.resize(v, 3).astype(np.float64) for v in (norm.mean, norm.std))
    real = (PIXELS.astype(np.float64) - mean) / std
    if spec.dtype == "float32":
        return np.asarray(real[None])
    return np.asarray(np.clip(np.rint(real / spec.scale) + spec.zero_point, low, high)[None])


@pytest.mark.parametrize("norm", [HALF, CHANNELS, Normalization((0.0,), (1.0,))])
@pytest.mark.parametrize(
    "spec",
    [
        image("uint8", 1.0, 0),
        image("uint8", 1 / 128, 128),
        image("uint8", 0.02, 117),
        image("int8", 1.0, -128),
        image("int8", 1 / 127.5, -1),
        image("int8", 0.031, 4),
        image("float32"),
    ],
)
def test_follows_the_formula(spec: TensorSpec, norm: Normalization) -> None:
    tensor = PixelEncoder(spec, norm)(PIXELS)
    assert tensor.shape == spec.shape
    assert tensor.dtype == spec.dtype
    np.testing.assert_allclose(tensor, reference(spec, norm), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 3, 5, 3), (1, 16, 16, 3)])
def test_any_picture_size_is_looked_up_rightly(shape: tuple[int, ...]) -> None:
    spec = TensorSpec(shape, "uint8", 1 / 128, 128)
    pixels = np.random.default_rng(0).integers(0, 256, shape[1:], dtype=np.uint8)
    expected = encoding_table(spec, HALF)[:, 0][pixels]
    assert (PixelEncoder(spec, HALF)(pixels)[0] == expected).all()


def test_never_a_bare_cast() -> None:
    # Values far outside the range must stop at its ends, not wrap around.
    table = encoding_table(image("int8", 0.001, 5), HALF)
    assert table[0, 0] == -128
    assert table[255, 0] == 127
    assert (np.diff(table[:, 0].astype(int)) >= 0).all()


@pytest.mark.parametrize(("dtype", "first"), [("uint8", 0), ("int8", -128)])
def test_unknown_normalization_spans_the_whole_range(dtype: DType, first: int) -> None:
    tensor = PixelEncoder(image(dtype, 0.0078125, 3), None)(PIXELS)
    assert (tensor[0].astype(int) == PIXELS.astype(int) + first).all()


def test_raw_pixels_are_passed_on_without_a_copy() -> None:
    tensor = PixelEncoder(image("uint8", 1.0, 0), Normalization((0.0,), (1.0,)))(PIXELS)
    assert np.shares_memory(tensor, PIXELS)


@given(
    st.sampled_from(["uint8", "int8"]),
    st.sampled_from([1 / 256, 1 / 255, 0.1]),
    st.sampled_from([-128, -1, 0, 1, 127, 128, 255]),
)
def test_scores_are_dequantized(dtype: DType, scale: float, zero_point: int) -> None:
    stored = np.arange(256, dtype=np.uint8).view(dtype)
    scores = ScoreDecoder(TensorSpec((1, 256), dtype, scale, zero_point))(stored[None])
    expected = (stored.astype(np.float64) - zero_point) * scale
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_float_scores_are_copied() -> None:
    stored = np.array([[0.25, 0.75]], np.float32)
    scores = ScoreDecoder(TensorSpec((1, 2), "float32", 0.0, 0))(stored)
    assert scores.tolist() == [0.25, 0.75]
    assert not np.shares_memory(scores, stored)
