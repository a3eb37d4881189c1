"""Sizes, rectangles, transforms and color spaces, as libcamera's bindings spell them."""

from __future__ import annotations

import enum
from typing import Any, overload


class Size:
    """Width and height in pixels."""

    def __init__(self, width: int = 0, height: int = 0) -> None:
        self.width = width
        self.height = height

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and (self.width, self.height) == (other.width, other.height)

    def __hash__(self) -> int:
        return hash((self.width, self.height))

    def __repr__(self) -> str:
        return f"libcamera.Size({self.width}, {self.height})"


class Rectangle:
    """A rectangle in the coordinates of the sensor's pixel array."""

    def __init__(self, x: int = 0, y: int = 0, width: int = 0, height: int = 0) -> None:
        self.x = x
        self.y = y
        self.width = width
        self.height = height

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rectangle) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"libcamera.Rectangle{self._values()}"

    def _values(self) -> tuple[int, int, int, int]:
        return self.x, self.y, self.width, self.height

    def bounded_to(self, other: Rectangle) -> Rectangle:
        """Return the part of this rectangle that lies in `other`."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Rectangle(left, top, max(0, right - left), max(0, bottom - top))


class Orientation(enum.Enum):
    """How the picture is turned, as EXIF numbers it."""

    Rotate0 = 1
    Rotate0Mirror = 2
    Rotate180 = 3
    Rotate180Mirror = 4
    Rotate90Mirror = 5
    Rotate270 = 6
    Rotate270Mirror = 7
    Rotate90 = 8


class Transform:
    """Flips and transposition; picamera2 itself adds the comparison."""

    hflip: bool
    vflip: bool
    transpose: bool

    def __init__(
        self,
        other: Transform | None = None,
        *,
        hflip: bool | int = False,
        vflip: bool | int = False,
        transpose: bool | int = False,
    ) -> None:
        if other is not None:
            hflip, vflip, transpose = other.hflip, other.vflip, other.transpose
        self.hflip = bool(hflip)
        self.vflip = bool(vflip)
        self.transpose = bool(transpose)

    def __str__(self) -> str:
        return f"<libcamera.Transform {self.hflip=} {self.vflip=} {self.transpose=}>"

    __hash__ = object.__hash__


class ColorSpace:
    """Primaries, transfer function, matrix and range."""

    class Primaries(enum.Enum):
        """The colors of the three channels."""

        Raw = 0
        Smpte170m = 1
        Rec709 = 2
        Rec2020 = 3

    class TransferFunction(enum.Enum):
        """From light to values."""

        Linear = 0
        Srgb = 1
        Rec709 = 2

    class YcbcrEncoding(enum.Enum):
        """From RGB to YCbCr."""

        Null = 0
        Rec601 = 1
        Rec709 = 2
        Rec2020 = 3

    class Range(enum.Enum):
        """0 to 255, or 16 to 235."""

        Full = 0
        Limited = 1

    @overload
    def __init__(self, other: ColorSpace, /) -> None: ...

    @overload
    def __init__(
        self,
        primaries: ColorSpace.Primaries,
        transfer: ColorSpace.TransferFunction,
        encoding: ColorSpace.YcbcrEncoding,
        values: ColorSpace.Range,
        /,
    ) -> None: ...

    def __init__(self, *parts: object) -> None:
        first = parts[0]
        values: tuple[Any, ...] = first._parts() if isinstance(first, ColorSpace) else parts
        self.primaries, self.transferFunction, self.ycbcrEncoding, self.range = values

    def _parts(self) -> tuple[object, ...]:
        return self.primaries, self.transferFunction, self.ycbcrEncoding, self.range

    def __str__(self) -> str:
        return (
            f"<libcamera.ColorSpace {self.primaries}/{self.transferFunction}/"
            f"{self.ycbcrEncoding}/{self.range}>"
        )

    __hash__ = object.__hash__

    @classmethod
    def Raw(cls) -> ColorSpace:  # noqa: N802  libcamera's name
        """The sensor's own values."""
        return cls(
            cls.Primaries.Raw,
            cls.TransferFunction.Linear,
            cls.YcbcrEncoding.Null,
            cls.Range.Full,
        )

    @classmethod
    def Sycc(cls) -> ColorSpace:  # noqa: N802
        """JPEG's: full range, BT.601 matrix."""
        return cls(
            cls.Primaries.Rec709,
            cls.TransferFunction.Srgb,
            cls.YcbcrEncoding.Rec601,
            cls.Range.Full,
        )

    @classmethod
    def Smpte170m(cls) -> ColorSpace:  # noqa: N802
        """Standard television: limited range."""
        return cls(
            cls.Primaries.Smpte170m,
            cls.TransferFunction.Rec709,
            cls.YcbcrEncoding.Rec601,
            cls.Range.Limited,
        )

    @classmethod
    def Rec709(cls) -> ColorSpace:  # noqa: N802
        """High definition: limited range."""
        return cls(
            cls.Primaries.Rec709,
            cls.TransferFunction.Rec709,
            cls.YcbcrEncoding.Rec709,
            cls.Range.Limited,
        )
