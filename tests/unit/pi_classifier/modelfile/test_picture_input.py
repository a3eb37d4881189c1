"""Which pictures a network takes, and which shapes and words are refused, with what to do."""

from __future__ import annotations

import dataclasses

import pytest

from pi_classifier.errors import ModelMismatch
from pi_classifier.modelfile.picture_input import (
    Channels,
    channels_of,
    check_picture_shape,
    known_normalization,
    picture_shape,
    require_normalization,
)
from pi_classifier.modelfile.tflite_metadata import Metadata, Normalization

SILENT = Metadata("", "", "", "", "", None, None, own=False, gray=False)
COLORS = Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


@pytest.mark.parametrize(
    ("shape", "size", "channels", "first"),
    [
        ((1, 224, 160, 3), (224, 160), 3, False),
        ((1, 28, 28, 1), (28, 28), 1, False),
        ((1, 3, 224, 160), (224, 160), 3, True),
        ((1, 1, 28, 20), (28, 20), 1, True),
        ((1, 2, 4, 3), (2, 4), 3, False),
        ((1, 3, 2, 4), (2, 4), 3, True),
    ],
)
def test_layouts(
    shape: tuple[int, ...], size: tuple[int, int], channels: int, first: bool
) -> None:
    check_picture_shape(shape, (-1, *shape[1:]))
    found = picture_shape(shape)
    assert (found.size, found.channels, found.channels_first) == (size, channels, first)


@pytest.mark.parametrize(
    ("shape", "signature", "says"),
    [
        ((1, 3), (), r"has the shape \[1, 3\]; expected one RGB picture"),
        ((1, 224, 224, 4), (), "expected one RGB picture"),
        ((1, 3, 224, 224, 1), (), "expected one RGB picture"),
        ((8, 224, 224, 3), (), "takes 8 pictures at once.*batch size of 1"),
        ((0, 224, 224, 3), (), "takes 0 pictures at once"),
        ((1, 1, 1, 3), (), "pictures of any size"),
        ((1, 3, 1, 1), (), "pictures of any size"),
        ((1, 3, 8, 1), (-1, 3, 8, -1), "pictures of any size"),
        ((1, 1, 1, 1), (), "pictures of any size"),
        ((1, 3, 3, 3), (), "first or the last number may be that of the channels"),
        ((1, 3, 8, 1), (), "first or the last number may be"),
        ((1, 1, 8, 3), (), "first or the last number may be"),
        ((1, 0, 8, 3), (), "is 8 x 0 pixels"),
        ((1, 3, 8, 9000), (), "is 9000 x 8 pixels; expected sides up to 8192"),
    ],
)
def test_what_is_not_one_picture(
    shape: tuple[int, ...], signature: tuple[int, ...], says: str
) -> None:
    with pytest.raises(ModelMismatch, match=says):
        check_picture_shape(shape, signature)


@pytest.mark.parametrize(
    ("written", "stated", "found"),
    [
        (None, None, "rgb"),
        ("bgr", None, "bgr"),
        ("bgr", "rgb", "rgb"),
        ("rgb", "bgr", "bgr"),
        ("gray", "rgb", "rgb"),
    ],
)
def test_the_order_of_colors(
    written: Channels | None, stated: Channels | None, found: Channels
) -> None:
    assert channels_of(picture_shape((1, 8, 8, 3)), SILENT, written, stated) == found


def test_one_channel_is_gray() -> None:
    one = picture_shape((1, 8, 8, 1))
    assert channels_of(one, None, None, None) == "gray"
    assert channels_of(one, dataclasses.replace(SILENT, gray=True), "gray", None) == "gray"
    with pytest.raises(ModelMismatch, match=r'model\.channels is "bgr".*set it to "auto"'):
        channels_of(one, None, None, "bgr")
    with pytest.raises(ModelMismatch, match="says its channels are rgb"):
        channels_of(one, None, "rgb", None)


def test_gray_in_three_channels_is_asked_for() -> None:
    three, gray = picture_shape((1, 8, 8, 3)), dataclasses.replace(SILENT, gray=True)
    cases: tuple[tuple[Metadata, Channels | None], ...] = ((gray, None), (SILENT, "gray"))
    for metadata, written in cases:
        with pytest.raises(ModelMismatch, match=r'set model\.channels to "rgb"'):
            channels_of(three, metadata, written, None)
        assert channels_of(three, metadata, written, "rgb") == "rgb"


def test_a_normalization_is_of_red_green_blue() -> None:
    """Metadata have the order of the tensor, the configuration that of the colors."""
    metadata = dataclasses.replace(SILENT, normalization=COLORS)
    assert known_normalization(metadata, "rgb", None) == COLORS
    assert known_normalization(metadata, "bgr", None) == Normalization(
        (3.0, 2.0, 1.0), (6.0, 5.0, 4.0)
    )
    assert known_normalization(metadata, "bgr", COLORS) == COLORS
    assert known_normalization(SILENT, "bgr", None) is None


def test_gray_pictures_have_one_normalization() -> None:
    equal = Normalization((127.5,) * 3, (64.0,) * 3)
    assert known_normalization(None, "gray", equal) == Normalization((127.5,), (64.0,))
    for uneven in (COLORS, Normalization((1.0,) * 3, (1.0, 1.0, 2.0))):
        with pytest.raises(ModelMismatch, match="the same mean and the same std three times"):
            known_normalization(None, "gray", uneven)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16"])
def test_only_bytes_go_without_a_normalization(dtype: str) -> None:
    require_normalization(None, "uint8")
    require_normalization(COLORS, dtype)
    with pytest.raises(ModelMismatch, match=f"takes {dtype} pixels.*mean and std"):
        require_normalization(None, dtype)
