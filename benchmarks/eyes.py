"""What seeing costs: recording, videos, live pictures, a preview that somebody watches or not."""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preview.ansi import render
from pi_classifier.preview.drawing import picture
from pi_classifier.preview.latest_view import LatestView, View
from pi_classifier.types import Category, Frame, Prediction

WIDTH, HEIGHT = 640, 480
_FORMATS: dict[str, dict[str, object]] = {
    "WebP, lossless": {"format": "WEBP", "lossless": True, "quality": 0, "method": 0},
    "PNG, level 1": {"format": "PNG", "compress_level": 1},
    "PNG, level 6": {"format": "PNG", "compress_level": 6},
    "BMP": {"format": "BMP"},
}
_LOADED = """
import sys
if sys.argv[1] == "av":
    from pi_classifier.cameras.video.pyav import pyav
    pyav()
else:
    import pi_classifier.cameras.video.pyav
for line in open("/proc/self/status"):
    if line.startswith("VmRSS"):
        print(line.split()[1])
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(prog="scripts/bench eyes", description=__doc__)
    made.add_argument("--frames", type=int, default=24, metavar="N", help="frames measured (24)")
    return made


def run(arguments: argparse.Namespace) -> None:
    """Measure and print; processor time of this process, medians over the frames."""
    settings = CameraSettings(source="emulated", realtime=False, width=WIDTH, height=HEIGHT)
    every_third = islice(open_camera(settings).frames(), 0, 3 * arguments.frames, 3)
    frames = list(every_third)
    say(f"{len(frames)} frames of {WIDTH}x{HEIGHT}, drawn garden with sensor noise")
    _recording([frame.pixels for frame in frames])
    _preview(frames)
    with tempfile.TemporaryDirectory() as folder:
        _video(Path(folder), [frame.pixels for frame in frames])
    _memory()


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def _median_ms(work: Callable[[], object], times: int = 1) -> float:
    began_s = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began_s) / times * 1e3


def _recording(pictures: Sequence[Pixels]) -> None:
    say("\nkeeping a frame without loss:  ms of processor, kB on disk")
    for name, options in _FORMATS.items():
        sizes: list[int] = []

        def keep(pixels: Pixels, options: dict[str, object] = options) -> None:
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, **options)  # type: ignore[arg-type]
            sizes.append(data.tell())  # noqa: B023  used within this turn of the loop

        costs = [_median_ms(lambda each=each: keep(each)) for each in pictures]  # type: ignore[misc]
        line = f"{statistics.median(costs):8.2f} ms {statistics.fmean(sizes) / 1e3:6.0f} kB"
        say(f"  {name:28}{line}")
    _lossless_videos(pictures)


def _lossless_videos(pictures: Sequence[Pixels]) -> None:
    import av

    for codec, pixel_format, options in (
        ("ffv1", "bgr0", {}),
        ("libx264rgb", "rgb24", {"qp": "0", "preset": "ultrafast"}),
    ):
        context = av.CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, pixel_format
        context.time_base, context.options = Fraction(1, 10), options
        began_s, size = time.process_time(), 0
        for pixels in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            size += sum(packet.size for packet in context.encode(frame))
        size += sum(packet.size for packet in context.encode(None))
        cost_ms = (time.process_time() - began_s) / len(pictures) * 1e3
        line = f"{cost_ms:8.2f} ms {size / len(pictures) / 1e3:6.0f} kB"
        say(f"  {f'{codec}, lossless (mean)':28}{line}")


def _preview(frames: Sequence[Frame]) -> None:
    categories = tuple(Category(i, f"label {i}", 0.3) for i in range(3))
    prediction = Prediction(categories, "model", 0, 1)
    views = [View(frame, prediction, "label 0") for frame in frames]
    latest = LatestView()
    puts = [
        _median_ms(lambda view=view: latest.put(View(view.frame, prediction, None)), 1000)  # type: ignore[misc]
        for view in views
    ]
    draws = [_median_ms(lambda view=view: _jpeg(view)) for view in views]  # type: ignore[misc]
    cells = [
        _median_ms(lambda view=view: render(view.frame.pixels, 30, 80, "24-bit", halves=True))  # type: ignore[misc]
        for view in views
    ]
    say("\npreview of a frame:  ms of processor")
    say(f"  {'on the frame thread':28}{statistics.median(puts):8.4f} ms")
    say(f"  {'drawn as JPEG, if watched':28}{statistics.median(draws):8.2f} ms")
    say(f"  {'drawn in a terminal, 80x30':28}{statistics.median(cells):8.2f} ms")


def _jpeg(view: View) -> None:
    picture(view).save(io.BytesIO(), "JPEG", quality=85)


def _video(folder: Path, pictures: Sequence[Pixels]) -> None:
    import av

    say("\na frame of a video:  ms of processor")
    for codec in ("libx264", "mpeg4", "mjpeg"):
        path = folder / f"{codec}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height = WIDTH, HEIGHT
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for pixels in pictures:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        settings = CameraSettings(source=f"replay:{path}", realtime=False)
        for model_size, said in ((None, f"{HEIGHT} high"), ((224, 224), "224 high")):
            camera = open_camera(settings, model_size)
            began_s = time.process_time()
            count = sum(1 for _ in camera.frames())
            cost_ms = (time.process_time() - began_s) / count * 1e3
            camera.close()
            say(f"  {f'{codec}, {said}':28}{cost_ms:8.2f} ms")


def _memory() -> None:
    used = {}
    for what in ("nothing", "av"):
        done = subprocess.run(
            [sys.executable, "-c", _LOADED, what], check=True, capture_output=True, text=True
        )
        used[what] = int(done.stdout) / 1024
    say(f"\nPyAV in memory: {used['av'] - used['nothing']:.1f} MB")
