"""Which pictures a network takes: their size, the order of their channels, their numbers.

TensorFlow's own converters put channels last, ``[1, height, width, 3]``; networks that come
from PyTorch often have them first, ``[1, 3, height, width]``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pi_classifier.errors import ModelMismatch
from pi_classifier.modelfile.tflite_metadata import Metadata, Normalization

Channels = Literal["rgb", "bgr", "gray"]
# What may be stated; a network with one channel can be nothing but gray.
CHANNELS = ("auto", "rgb", "bgr")

_COUNTS = (1, 3)
_LARGEST_SIDE = 8192


class PictureShape(NamedTuple):
    """The shape of an input tensor in words; `channels` is 3 for colors, 1 for gray."""

    height: int
    width: int
    channels: int
    channels_first: bool

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width


def picture_shape(shape: tuple[int, ...]) -> PictureShape:
    """Read an input's shape that `check_picture_shape` accepts."""
    if shape[3] in _COUNTS:
        return PictureShape(shape[1], shape[2], shape[3], channels_first=False)
    return PictureShape(shape[2], shape[3], shape[1], channels_first=True)


def check_picture_shape(shape: tuple[int, ...], signature: tuple[int, ...] = ()) -> None:
    """Raise `ModelMismatch` where an input is not one picture of a known size.

    `signature` is the shape with -1 for what the network leaves open; it may be missing.
    """
    ends = (shape[1], shape[3]) if len(shape) == 4 else ()
    if not any(count in _COUNTS for count in ends):
        raise ModelMismatch(
            f"the input has the shape {list(shape)}; expected one RGB picture, "
            "[1, height, width, 3] or [1, 3, height, width], or a gray one with 1 for the 3"
        )
    if shape[0] != 1:
        raise ModelMismatch(
            f"the input takes {shape[0]} pictures at once (shape {list(shape)}); convert it for "
            "one, with a batch size of 1"
        )
    # A converter writes 1 for a side that the network leaves open.
    if -1 in signature[1:] or shape[1:3] == (1, 1) or shape[2:] == (1, 1):
        raise ModelMismatch(
            f"the input takes pictures of any size (shape {list(signature or shape)}), and the "
            "file does not say of which size it was trained with: convert it with that size, for "
            "example keras.Input((224, 224, 3))"
        )
    if all(count in _COUNTS for count in ends):
        raise ModelMismatch(
            f"the input has the shape {list(shape)}, in which the first or the last number may be "
            "that of the channels; convert it for larger pictures"
        )
    height, width = picture_shape(shape).size
    if not all(1 <= side <= _LARGEST_SIDE for side in (height, width)):
        raise ModelMismatch(
            f"the input is {width} x {height} pixels; expected sides up to {_LARGEST_SIDE}"
        )


def takes_bytes(dtype: str) -> bool:
    """Whether an input's range is that of a byte, so that pixels fit in as they are."""
    return dtype in {"uint8", "int8"}


def channels_of(
    shape: PictureShape,
    metadata: Metadata | None,
    written: Channels | None,
    stated: Channels | None,
) -> Channels:
    """The order of the channels: as `stated`, else as `written` in the model file, else RGB.

    Raises `ModelMismatch` where that cannot be.
    """
    if shape.channels == 1:
        if stated is not None:
            raise ModelMismatch(
                f'model.channels is "{stated}", but the network takes gray pictures (one '
                'channel); set it to "auto"'
            )
        if written not in {None, "gray"}:
            raise ModelMismatch(
                f"the file says its channels are {written}, but the network takes gray pictures "
                "(one channel); write the file again"
            )
        return "gray"
    found = stated or written
    if found == "gray" or (found is None and metadata is not None and metadata.gray):
        raise ModelMismatch(
            "the file says that it takes gray pictures, but the network takes three channels; "
            'set model.channels to "rgb" to feed it color pictures'
        )
    return found or "rgb"


def known_normalization(
    metadata: Metadata | None, channels: Channels, stated: Normalization | None
) -> Normalization | None:
    """The normalization as `stated`, else as the file says; of red, green, blue, or one value.

    Raises `ModelMismatch` where gray pictures would need several values.
    """
    known = stated
    if stated is None and metadata is not None and metadata.normalization is not None:
        known = metadata.normalization
        if channels == "bgr":
            # Metadata have the values in the order of the tensor.
            known = Normalization(known.mean[::-1], known.std[::-1])
    if known is None or channels != "gray":
        return known
    if len({*zip(known.mean, known.std, strict=True)}) > 1:
        raise ModelMismatch(
            f"the normalization has mean {list(known.mean)} and std {list(known.std)}, but the "
            "network takes gray pictures; expected the same mean and the same std three times"
        )
    return Normalization(known.mean[:1], known.std[:1])


def require_normalization(known: Normalization | None, dtype: str) -> None:
    """Raise `ModelMismatch` where nothing says how pixels become numbers of type `dtype`."""
    if known is None and not takes_bytes(dtype):
        raise ModelMismatch(
            f"takes {dtype} pixels, but its metadata do not say how they are normalized; state "
            "what it was trained with as mean and std in the configuration, for example mean "
            "127.5 and std 127.5 for pixels from -1 to 1"
        )
