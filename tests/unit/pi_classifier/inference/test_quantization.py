from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pi_classifier.inference.quantization import PixelEncoder, ScoreDecoder, encoding_table
from pi_classifier.modelfile.picture_input import Channels, picture_shape
from pi_classifier.modelfile.tflite_graph import DType, TensorSpec
from pi_classifier.modelfile.tflite_metadata import Normalization

PIXELS = np.arange(2 * 128 * 3, dtype=np.uint8).reshape(2, 128, 3)
HALF = Normalization((127.5,), (127.5,))
CHANNELS = Normalization((123.7, 116.8, 103.9), (58.4, 57.1, 57.4))


def image(dtype: DType, scale: float = 0.0, zero_point: int = 0) -> TensorSpec:
    return TensorSpec((1, 2, 128, 3), dtype, scale, zero_point)


RANGES = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}


def arranged(pixels: np.ndarray, shape: tuple[int, ...], channels: Channels) -> np.ndarray:
    """The pixels' values in the order of the tensor, pixel by pixel."""
    if channels == "gray":
        ordered = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    else:
        ordered = pixels[..., ::-1] if channels == "bgr" else pixels
    return (ordered.transpose(2, 0, 1) if picture_shape(shape).channels_first else ordered)[None]


def reference(
    spec: TensorSpec,
    norm: Normalization,
    pixels: np.ndarray = PIXELS,
    channels: Channels = "rgb",
) -> np.ndarray:
    """The formula."""
    mean, std = (
        arranged(np.resize(v, (1, 1, 3)), (1, *spec.shape[1:]), channels).astype(np.float64)
        if len(v) == 3
        else np.float64(v[0])
        for v in (norm.mean, norm.std)
    )
    real = (arranged(pixels, spec.shape, channels).astype(np.float64) - mean) / std
    if spec.is_float:
        return np.asarray(real)
    low, high = RANGES[spec.dtype]
    return np.asarray(np.clip(np.rint(real / spec.scale) + spec.zero_point, low, high))


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
        image("int16", 1 / 8192, 0),
        image("int16", 255 / 32767, 0),
        image("float16"),
        image("float32"),
    ],
)
def test_follows_the_formula(spec: TensorSpec, norm: Normalization) -> None:
    tensor = PixelEncoder(spec, norm)(PIXELS)
    assert tensor.shape == spec.shape
    assert tensor.dtype == spec.dtype
    rtol, atol = (1e-3, 1e-3) if spec.dtype == "float16" else (1e-6, 1e-6)
    np.testing.assert_allclose(tensor, reference(spec, norm), rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "float16", "float32"])
@pytest.mark.parametrize("norm", [HALF, CHANNELS, Normalization((0.0,), (1.0,))])
@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((1, 5, 7, 3), "bgr"),
        ((1, 3, 5, 7), "rgb"),
        ((1, 3, 5, 7), "bgr"),
        ((1, 5, 7, 1), "gray"),
        ((1, 1, 5, 7), "gray"),
        ((1, 3, 6, 4), "bgr"),
    ],
)
def test_every_order_of_channels_follows_the_formula(
    dtype: DType, norm: Normalization, shape: tuple[int, ...], channels: Channels
) -> None:
    if channels == "gray" and len(norm.mean) > 1:
        norm = Normalization(norm.mean[:1], norm.std[:1])
    scale = {"uint8": 1.0, "int8": 1.0, "int16": 1 / 128}.get(dtype, 0.0)
    spec = TensorSpec(shape, dtype, scale, {"int8": -128}.get(dtype, 0))
    encode = PixelEncoder(spec, norm, channels)
    rng = np.random.default_rng(1)
    for _ in range(2):  # the second must not keep anything of the first
        pixels = rng.integers(0, 256, (*picture_shape(shape).size, 3), np.uint8)
        before = pixels.copy()
        tensor = encode(pixels)
        assert tensor.shape == shape
        assert tensor.dtype == np.dtype(dtype)
        rtol, atol = (1e-3, 1e-3) if dtype == "float16" else (1e-5, 1e-5)
        expected = reference(spec, norm, pixels, channels)
        np.testing.assert_allclose(tensor, expected, rtol=rtol, atol=atol)
        assert (pixels == before).all()


def test_gray_is_the_gray_of_pillow() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (160, 160, 3), np.uint8)
    gray = PixelEncoder(TensorSpec((1, 160, 160, 1), "uint8", 1.0, 0), None, "gray")(pixels)
    assert (gray[0, ..., 0] == np.asarray(Image.fromarray(pixels).convert("L"))).all()


@pytest.mark.parametrize("channels", ["gray", "bgr"])
def test_views_of_larger_pictures_are_taken_as_well(channels: Channels) -> None:
    whole = np.random.default_rng(2).integers(0, 256, (20, 20, 3), np.uint8)
    pixels = whole[2:10, 4:12]
    spec = TensorSpec((1, 8, 8, 1 if channels == "gray" else 3), "uint8", 1.0, 0)
    expected = arranged(np.ascontiguousarray(pixels), spec.shape, channels)
    assert (PixelEncoder(spec, None, channels)(pixels) == expected).all()


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


@pytest.mark.parametrize("shape", [(1, 3), (3,), (1, 1, 1, 3), (1, 3, 1, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32"])
def test_scores_may_stand_in_any_row(shape: tuple[int, ...], dtype: DType) -> None:
    scale, zero_point = (0.0, 0) if dtype.startswith("float") else (0.25, 1)
    stored = np.array([1, 2, 4], dtype).reshape(shape)
    scores = ScoreDecoder(TensorSpec(shape, dtype, scale, zero_point))(stored)
    assert scores.tolist() == ([1, 2, 4] if math.isclose(scale, 0) else [0, 0.25, 0.75])


def test_scores_of_16_bits() -> None:
    stored = np.array([[-32768, -1, 0, 16384, 32767]], np.int16)
    scores = ScoreDecoder(TensorSpec((1, 5), "int16", 1 / 32768, 0))(stored)
    assert scores.tolist() == [-1, -1 / 32768, 0, 0.5, 32767 / 32768]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_float_scores_are_copied(dtype: DType) -> None:
    stored = np.array([[0.25, 0.75]], dtype)
    scores = ScoreDecoder(TensorSpec((1, 2), dtype, 0.0, 0))(stored)
    assert scores.tolist() == [0.25, 0.75]
    assert scores.dtype == np.float32
    assert not np.shares_memory(scores, stored)
