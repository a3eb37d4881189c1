"""Streams and their configuration: what is asked for, adjusted, and read back."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from emulation.isp import FORMATS, layout

from libcamera.geometry import ColorSpace, Orientation, Rectangle, Size

if TYPE_CHECKING:
    from libcamera.camera import Camera


class StreamRole(enum.Enum):
    """What a stream is for."""

    Raw = 0
    StillCapture = 1
    VideoRecording = 2
    Viewfinder = 3


class PixelFormat:
    """A pixel format by name."""

    def __init__(self, name: str = "") -> None:
        self._name = str(name)

    def __str__(self) -> str:
        return self._name

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._name)


class SensorConfiguration:
    """Which mode of the sensor is wanted."""

    def __init__(self) -> None:
        self.bit_depth = 0
        self.output_size = Size()
        self.analog_crop = Rectangle()


class StreamFormats:
    """The formats of a stream and the sizes of each."""

    def __init__(self, sizes: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        self._sizes = sizes

    @property
    def pixel_formats(self) -> list[PixelFormat]:
        """The formats."""
        return [PixelFormat(name) for name in self._sizes]

    def sizes(self, pixel_format: PixelFormat) -> list[Size]:
        """The sizes that come in `pixel_format`."""
        return [Size(*size) for size in self._sizes[str(pixel_format)]]


class Stream:
    """One output of the camera, once it is configured."""

    def __init__(self, configuration: StreamConfiguration) -> None:
        self.configuration = configuration


class StreamConfiguration:
    """What one stream is to deliver."""

    def __init__(self, role: StreamRole) -> None:
        self.role = role
        self.size = Size()
        self.pixel_format = PixelFormat("XRGB8888")
        self.stride = 0
        self.frame_size = 0
        self.buffer_count = 4
        self.formats = StreamFormats({})
        self.color_space = ColorSpace.Sycc()
        self.stream: Stream | None = None


class CameraConfiguration:
    """What all streams are to deliver, together."""

    class Status(enum.Enum):
        """What came of checking it."""

        Valid = 0
        Adjusted = 1
        Invalid = 2

    def __init__(self, camera: Camera, roles: Sequence[StreamRole]) -> None:
        self._camera = camera
        self._streams = [StreamConfiguration(role) for role in roles]
        self.sensor_config: SensorConfiguration | None = None
        self.orientation = Orientation.Rotate0
        for stream in self._streams:
            if stream.role is StreamRole.Raw:
                modes = camera.sensor.raw_sizes()
                stream.formats = StreamFormats(modes)
                name, sizes = next(iter(modes.items()))
                stream.pixel_format, stream.size = PixelFormat(name), Size(*sizes[-1])
                stream.color_space = ColorSpace.Raw()

    def __iter__(self) -> Iterator[StreamConfiguration]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def at(self, index: int) -> StreamConfiguration:
        """Return the configuration of one stream."""
        return self._streams[index]

    def validate(self) -> Status:
        """Adjust what the hardware does not do, as libcamera's rpi pipelines do."""
        results = [self._fit(number, stream) for number, stream in enumerate(self._streams)]
        if self.Status.Invalid in results:
            return self.Status.Invalid
        return self.Status.Adjusted if self.Status.Adjusted in results else self.Status.Valid

    def _fit(self, number: int, stream: StreamConfiguration) -> Status:
        platform, sensor = self._camera.platform, self._camera.sensor
        if stream.role is StreamRole.Raw:
            mode = sensor.mode_for((stream.size.width, stream.size.height), None)
            stream.size = Size(*mode.size)
            stream.stride = -(-mode.size[0] * mode.bit_depth // 8 // 32) * 32
            stream.frame_size = stream.stride * mode.size[1]
            return self.Status.Valid
        if str(stream.pixel_format) not in FORMATS:
            return self.Status.Invalid
        width, height = stream.size.width, stream.size.height
        largest = sensor.pixel_array
        # PiSP: the first output has a scaler before it, the second scales by 16 at most.
        most = 1_000_000 if platform == "vc4" else 64 if number == 0 else 16
        wide, high = (
            min(max(side - side % 2, limit // most // 2 * 2), limit)
            for side, limit in zip((width, height), largest, strict=True)
        )
        adjusted = wide, high
        stream.size = Size(*adjusted)
        stream.stride, stream.frame_size = layout(str(stream.pixel_format), adjusted, platform)
        return self.Status.Valid if adjusted == (width, height) else self.Status.Adjusted
