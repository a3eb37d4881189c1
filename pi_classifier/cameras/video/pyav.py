"""Videos of any kind through FFmpeg; the only module of the device importing PyAV.

Kept to what PyAV 10 (Debian 12) and the newest have in common.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from pi_classifier.cameras.orientation import UNCHANGED, Orientation
from pi_classifier.errors import CameraUnavailable
from pi_classifier.preprocessing.area_average import Pixels

# Codecs without references between pictures: those that nobody wants need no decoding.
_INTRA_ONLY = ("mjpeg", "rawvideo", "ffv1", "png")

# A film or a stream of these kinds names no other files or addresses, as playlists do.
VIDEO_FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,flv,asf,ogg,ivf,dv,mxf,"
    "mjpeg,mpjpeg,gif,yuv4mpegpipe"
)
# The largest of films, 8192 by 4320: known before a picture is decoded.
MOST_PIXELS = 8192 * 4320
_BOUNDS = {
    "probesize": "5000000",  # bytes that are looked through to tell what it is
    "analyzeduration": "5000000",  # and microseconds of it
    "max_streams": "100",
    "max_pixels": str(MOST_PIXELS),
}

Picture = Callable[[], Pixels | None]
"""Decodes one picture when called, RGB uint8 ``[height, width, 3]``; None where it is damaged."""


class ByteStream(Protocol):
    """A stream that another connection than FFmpeg's brings; `read` may raise VideoError.

    `renew` allows the next picture its bytes and its time; `interrupt` ends a `read` that
    waits, from any thread.
    """

    def read(self, size: int) -> bytes: ...

    def renew(self) -> None: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class MediaAddress:
    """What FFmpeg opens: a file, device, network address or stream of bytes, and how.

    `protocols` are those of FFmpeg that may be used for it, `formats` what it may turn out to
    be: neither goes beyond what was named, whatever is in it.
    """

    source: str | ByteStream
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    protocols: str = "file"
    formats: str | None = VIDEO_FORMATS

    def all_options(self) -> dict[str, str]:
        """The options as FFmpeg takes them."""
        options = _BOUNDS | {"protocol_whitelist": self.protocols}
        if self.formats is not None and self.format is None:
            options["format_whitelist"] = self.formats
        return options | dict(self.options)


class VideoError(Exception):
    """FFmpeg could not open or read a video; `errno` says why (None: not a system's reason)."""

    def __init__(self, reason: str, errno: int | None = None) -> None:
        super().__init__(reason)
        self.errno = errno


class Video:
    """The first picture stream of a file, a device or a network address.

    Pictures come as RGB, made smaller by swscale until the shorter side of what `seen`
    keeps of them is `side`, never larger. With a `timeout_s`, opening and each read end with
    a VideoError after so long. One thread reads it; pictures may be rendered by another.
    """

    def __init__(
        self,
        address: MediaAddress,
        side: int,
        timeout_s: float | None = None,
        seen: Orientation = UNCHANGED,
    ) -> None:
        self._av = pyav()
        self._side = side
        self._seen = seen
        # FFmpeg's memory must not go while another thread decodes from it: that would crash.
        self._rendering = threading.Lock()
        self._closed = False
        self.damaged = 0
        self._bytes = None if isinstance(address.source, str) else address.source
        self._container = self._opened(address, timeout_s)
        try:
            self._stream = self._first_stream()
        except VideoError:
            self._container.close()
            raise
        self.lazy = self._stream.codec_context.name in _INTRA_ONLY
        self.fps = float(self._stream.average_rate or 0)

    def _opened(self, address: MediaAddress, timeout_s: float | None) -> Any:
        limit = None if timeout_s is None else (timeout_s, timeout_s)
        options = address.all_options()
        try:
            return self._av.open(
                address.source, format=address.format, options=options, timeout=limit
            )
        except (self._av.error.FFmpegError, ValueError) as error:
            if "format_whitelist" in options and getattr(error, "errno", None) == errno.EINVAL:
                raise VideoError("it is of no kind that is played here") from None
            raise self._problem(error) from None

    def _first_stream(self) -> Any:
        if not self._container.streams.video:
            raise VideoError("it holds no pictures")
        stream = self._container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise VideoError("its pictures are of a kind that FFmpeg here cannot decode")
        # FFmpeg tells no size of pictures that it may not decode
        unknown = context.name in _INTRA_ONLY and not context.width
        if unknown or context.width * context.height > MOST_PIXELS:
            raise VideoError("its pictures are damaged, or larger than 8192 by 4320 pixels")
        context.options = {"max_pixels": str(MOST_PIXELS)}
        return stream

    def frames(self) -> Iterator[tuple[float | None, Any]]:
        """Decode one frame after the other: (seconds on the stream's own clock, frame).

        A packet may hold several frames, or none yet: decoders look ahead.
        """
        for packet in self._packets():
            for frame in self._decoded(packet):
                yield frame.time, frame

    def pictures(self) -> Iterator[Picture]:
        """Yield each picture as it arrives, to be rendered only if somebody wants it.

        Where pictures refer to earlier ones, every one has to be decoded here, wanted or
        not; only scaling and conversion to RGB wait. Otherwise decoding waits as well.
        """
        if self.lazy:
            for packet in self._packets():
                if packet.size:  # the last packet is empty: it flushes a decoder
                    yield partial(self._rendered, packet)
            return
        for _, frame in self.frames():
            yield partial(self.pixels, frame)

    def pixels(self, frame: Any) -> Pixels:
        """Return the frame as it is to be seen, read-only RGB uint8 ``[height, width, 3]``."""
        turns = round(getattr(frame, "rotation", 0) / 90) % 4  # PyAV 10 knows no rotation
        size = (frame.width, frame.height)
        upright = size[::-1] if turns % 2 else size
        width, height = covering(size, self._seen.whole_side(upright, self._side))
        smaller = width < frame.width
        # AREA averages what falls on a pixel: without it a small frame would show moiré
        array: Pixels = frame.reformat(
            width, height, "rgb24", interpolation="AREA" if smaller else "BILINEAR"
        ).to_ndarray()
        if turns or not array.flags.c_contiguous:
            array = np.ascontiguousarray(np.rot90(array, turns))
        array.flags.writeable = False
        return self._seen(array)

    def rewind(self) -> None:
        """Begin again; only files can."""
        self._container.seek(0)

    def interrupt(self) -> None:
        """End what is waited for, where that can be; may be called from any thread."""
        if self._bytes is not None:
            self._bytes.interrupt()

    def close(self) -> None:
        """Let go of the file, device or connection."""
        with self._rendering:
            self._closed = True
            self._container.close()
        if self._bytes is not None:
            self._bytes.close()

    def _packets(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux(self._stream):
                yield packet
                if self._bytes is not None:
                    self._bytes.renew()
        except self._av.error.FFmpegError as error:
            raise self._problem(error) from None

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = packet.decode()
        except self._av.error.EOFError:
            return []
        except self._av.error.FFmpegError:  # a lost or damaged packet: the next one may do
            self.damaged += 1
            return []
        return frames

    def _rendered(self, packet: Any) -> Pixels | None:
        with self._rendering:
            frames = [] if self._closed else self._decoded(packet)
        return self.pixels(frames[-1]) if frames else None

    def _problem(self, error: Exception) -> VideoError:
        """The reason alone: FFmpeg's own message repeats the address, with its password."""
        if isinstance(error, self._av.error.ExitError):
            return VideoError("nothing came within the time allowed")
        reason = getattr(error, "strerror", None) or "not understood"
        return VideoError(f"{reason[0].lower()}{reason[1:]}", getattr(error, "errno", None))


def covering(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return (width, height) shrunk so that the shorter side is `side`, both even."""
    width, height = size
    if min(size) <= side:
        return size
    scale = side / min(size)
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)


def pyav() -> ModuleType:
    """Return PyAV, made quiet; raises CameraUnavailable where it is not installed."""
    try:
        import av
    except ModuleNotFoundError:
        raise CameraUnavailable(
            "videos, webcams and streams of network cameras need PyAV, which is not installed; "
            "install it: sudo apt install python3-av, or in a virtual environment: pip install av"
        ) from None
    # FFmpeg's own lines name addresses with their passwords, and belong in no journal.
    av.logging.set_level(av.logging.PANIC)
    module: ModuleType = av
    return module
