"""Small real video files whose every frame tells its number by its gray."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np


def film(
    path: Path,
    *,
    frames: int = 30,
    fps: Fraction | int = 10,
    size: tuple[int, int] = (64, 48),
    codec: str = "mpeg4",
) -> Path:
    """Write a video; frame n is gray of level 8 n modulo 250."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 2_000_000
        for number in range(frames):
            pixels = np.full((size[1], size[0], 3), 8 * number % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
