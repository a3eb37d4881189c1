"""The camera bench: the Pi's camera driver over the real picamera2 on an emulated libcamera."""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice, pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.camera_soak import soak
from benchmarks.figures import Aim, Figure
from benchmarks.picamera import emulated_hardware

COST = "Pi camera: cost of the driver"
FRESH = "Pi camera: age of frames"
SOAK = "Pi camera: a day of faults"
ABOUT = {
    COST: (
        "processor time of all threads per frame of 224×224, beside picamera2 alone",
        "(capture_request and release), in turns; the emulated sensor's own is in both",
    ),
    FRESH: (
        "from exposure to the consumer's hands, in frame periods, at 20 frames per second in",
        "real time; the slow consumer takes ten periods for each",
    ),
    SOAK: (
        "simulated at 1 frame per second, a fault every five minutes on average; held at the",
        "end, beside what was held after the first hour",
    ),
}
_SIZE = 224
_FRAME_BYTES = _SIZE * _SIZE * 3


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench camera",
        description="Measure the Pi camera's driver on an emulated libcamera.",
    )
    for option, default, text in (
        ("--frames", 200, "frames in a round"),
        ("--rounds", 31, "rounds, in which ours and picamera2 alone take turns"),
        ("--seed", 0, "which faults come when"),
    ):
        parser.add_argument(option, type=int, default=default, metavar="N", help=f"{text}")
    parser.add_argument(
        "--hours", type=float, default=24.0, metavar="H", help="simulated; 0 leaves them out"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure; one list of figures for each section."""
    hardware = emulated_hardware()
    yield list(_cost(hardware, arguments.frames, arguments.rounds))
    yield list(_freshness(hardware))
    if arguments.hours:
        yield list(_day(arguments.hours, arguments.seed))


def _camera(fps: float) -> Any:
    from pi_classifier.cameras.raspberry_pi.camera import PiCamera
    from pi_classifier.cameras.settings import CameraSettings

    return PiCamera(CameraSettings(fps=fps), model_size=(_SIZE, _SIZE))


def _cost(hardware: Any, frames: int, rounds: int) -> Iterator[Figure]:
    hardware.HARDWARE.plug("imx708", pace="virtual")
    with closing(_camera(30.0)) as camera:
        stream = camera.frames()
        device = camera._device.picamera  # noqa: SLF001  the same camera, without the driver

        def ours() -> None:
            for _ in islice(stream, frames):
                pass

        def alone() -> None:
            for _ in range(frames):
                device.capture_request(wait=5.0).release()

        for run in (ours, alone):
            run()
        pairs = [(_cpu_us(ours) / frames, _cpu_us(alone) / frames) for _ in range(rounds)]
        ratios = quantiles([a / b for a, b in pairs], n=4)
        mine, theirs = (median(each) for each in zip(*pairs, strict=True))
        subject = f"n = {rounds} rounds of {frames}"
        yield Figure(
            COST, subject, "frame", "µs", mine, "picamera2", theirs, (ratios[0], ratios[2])
        )
        beyond = median(a - b for a, b in pairs)
        yield Figure(COST, subject, "beyond picamera2", "µs", beyond, aim=Aim(60.0, "ours"))
        most = max(_allocated(stream) for _ in range(frames))
        # a frame, and what metadata and messages between threads take
        yield Figure(
            COST,
            f"n = {frames} frames",
            "allocated at once",
            "% of a frame",
            100 * most / _FRAME_BYTES,
            aim=Aim(110.0, "ours"),
        )
    hardware.HARDWARE.plug()


def _cpu_us(run: Callable[[], None]) -> float:
    begin = time.process_time_ns()
    run()
    return (time.process_time_ns() - begin) / 1000


def _allocated(stream: Iterator[Any]) -> int:
    """The most memory one frame takes while it is made, in bytes."""
    tracemalloc.start()
    next(stream)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    next(stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


def _freshness(hardware: Any, fps: float = 20.0) -> Iterator[Figure]:
    period_s = 1 / fps
    for name, work_s, frames in (("keeps up", period_s / 2, 60), ("slow", 10 * period_s, 12)):
        hardware.HARDWARE.plug("imx708", pace="real")
        with closing(_camera(fps)) as camera:
            stream = camera.frames()
            next(stream)
            ages: list[float] = []
            numbers: list[int] = []
            for frame in islice(stream, frames):
                ages.append((time.monotonic_ns() - frame.timestamp_ns) / 1e9 / period_s)
                numbers.append(frame.sequence)
                time.sleep(work_s)
        subject = f"a consumer that {name}" if name != "slow" else "one that is 10 times too slow"
        subject += f", n = {frames}"
        yield Figure(FRESH, subject, "age, median", "% of a period", 100 * median(ages))
        most = Aim(120.0, "ours")
        yield Figure(FRESH, subject, "age, most", "% of a period", 100 * max(ages), aim=most)
        lost = sum(other - one - 1 for one, other in pairwise(numbers))
        yield Figure(FRESH, subject, "frames lost and counted", "", lost)
    hardware.HARDWARE.plug()


def _day(hours: float, seed: int) -> Iterator[Figure]:
    result = soak(hours, seed)
    subject = f"{hours:g} simulated hours, {result.frames} frames"
    first, last = result.samples[min(1, len(result.samples) - 1)], result.samples[-1]
    yield Figure(SOAK, subject, "faults ordered", "", sum(result.faults.values()))
    recovered, failed = result.steps["recovered"], result.steps["failed"]
    yield Figure(SOAK, subject, "recovered", "", recovered, "interruptions", failed)
    yield Figure(SOAK, subject, "given up", "", result.steps["gave up"], aim=Aim(0, "ours"))
    yield Figure(SOAK, subject, "frames out of order", "", result.disorder, aim=Aim(0, "ours"))
    for name, unit, ours, peers in (
        ("resident", "MB", last.resident_kb / 1000, first.resident_kb / 1000),
        ("threads", "", last.threads, first.threads),
        ("descriptors", "", last.descriptors, first.descriptors),
    ):
        aim = Aim(1.05 if name == "resident" else 1.0, "ratio")
        yield Figure(SOAK, subject, name, unit, ours, "after 1 h", peers, aim=aim)
