"""Several cameras in one process beside one: processor time per frame, memory, a dead one."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from benchmarks.memory import resident_mb
from benchmarks.scenes import garden
from pi_classifier.cameras import CameraSettings
from pi_classifier.config.settings import Settings
from pi_classifier.errors import CameraUnavailable
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.service.build import build
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import Service
from pi_classifier.sinks.log import LogSettings
from pi_classifier.sinks.stdout import StdoutSettings
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.types import Frame, Prediction

SECTION = "Several cameras"
ABOUT = {
    SECTION: (
        "the whole service in a process of its own, every camera as fast as it can; time is the",
        "processor's, of all threads; the peer is one camera alone; 'photos' repeat, so that",
        "giving a frame costs nothing, 'emulated' ones are drawn; a dead one tries to come back",
    ),
}
_PER_CORE = Aim(1.1, "ratio")
_EACH_MB = Aim(15.0, "ours")
_PHOTOS = 16
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Run:
    """One run: milliseconds of the processor and of the clock per frame, and memory in MB."""

    processor_ms: float
    wall_ms: float
    pss_mb: float


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench cameras``."""
    made = argparse.ArgumentParser(prog="scripts/bench cameras", description=__doc__)
    made.add_argument("model", nargs="?", default="flowers", help="model or cascade (flowers)")
    made.add_argument(
        "--frames", type=int, default=300, metavar="N", help="frames of each camera (300)"
    )
    made.add_argument("--most", type=int, default=4, metavar="N", help="so many cameras (4)")
    made.add_argument("--runs", type=int, default=5, metavar="N", help="runs, in turn (5)")
    made.add_argument(
        "--only", action="append", choices=("photos", "emulated"), help="these cameras only"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return made


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Yield the figures; raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for number, pixels in enumerate(garden(_PHOTOS)):
            Image.fromarray(pixels).save(photos / f"{number:02d}.png")
        sources = {"photos": f"replay:{photos}", "emulated": "emulated"}
        for name in arguments.only or sources:
            yield list(_measured(name, sources[name], arguments, Path(folder)))


def _measured(
    name: str, source: str, arguments: argparse.Namespace, folder: Path
) -> Iterator[Figure]:
    counts = {1, arguments.most // 2, arguments.most} - {0}
    kinds = [(count, 0) for count in sorted(counts)] + [(1, 1)]
    runs: dict[tuple[int, int], list[Run]] = {kind: [] for kind in kinds}
    for _ in range(arguments.runs):
        for count, dead in kinds:
            runs[count, dead].append(_child(source, count, dead, arguments, folder))
    alone = runs[1, 0]
    for (count, dead), found in runs.items():
        subject = f"{count} {name}" + (f" and {dead} dead" if dead else "")
        for what, part in (("processor", "processor_ms"), ("clock", "wall_ms")):
            ours, one = (median(getattr(each, part) for each in these) for these in (found, alone))
            ratios = sorted(
                getattr(each, part) / getattr(other, part)
                for each, other in zip(found, alone, strict=True)
            )
            quartiles = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
            aim = _PER_CORE if what == "processor" else None
            peer = None if (count, dead) == (1, 0) else "one alone"
            yield Figure(
                SECTION,
                subject,
                f"{what}, per frame",
                "ms",
                ours,
                peer,
                one if peer else None,
                quartiles if peer else None,
                aim if peer else None,
            )
        memory = median(each.pss_mb for each in found)
        yield Figure(SECTION, subject, "memory (Pss)", "MB", memory)
        if count > 1:
            more = (memory - median(each.pss_mb for each in alone)) / (count - 1)
            yield Figure(SECTION, subject, "memory, each one more", "MB", more, aim=_EACH_MB)


def _child(source: str, count: int, dead: int, arguments: argparse.Namespace, folder: Path) -> Run:
    words = [source, str(count), str(dead), str(arguments.frames), arguments.model]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cameras", *words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
    )
    if done.returncode:
        raise BenchmarkError(f"the run with {count} cameras failed: {done.stderr.strip()[-500:]}")
    return Run(**json.loads(done.stdout))


def measure(source: str, count: int, dead: int, frames: int, model: str) -> Run:
    """Run `count` cameras, and `dead` ones, until each has given so many frames."""
    usual = CameraSettings(source=source, realtime=False, loop=True)
    cameras = [replace(usual, name=f"camera {n}", seed=n) for n in range(count)]
    gone = CameraSettings(source="emulated", realtime=False, faults=("disappear@0",))
    cameras += [replace(gone, name=f"dead {n}", recovery_s=1e6) for n in range(dead)]
    settings = Settings(
        cameras=tuple(cameras) if len(cameras) > 1 else (),
        camera=cameras[0],
        model=ModelSettings(path=model),
        stdout=StdoutSettings(enabled=False),
        log=LogSettings(enabled=False),
        speech=SpeechSettings(enabled=False),
    )
    with build(settings, wait_for_camera=True) as service:
        watch = _Watch(service, _WARM_UP * count, (_WARM_UP + frames) * count)
        with suppress(CameraUnavailable):
            run(service, watch)
    return watch.result()


class _Watch:
    """Takes the time from one number of frames to another, then stops the service."""

    def __init__(self, service: Service, begin: int, end: int) -> None:
        self._service = service
        self._begin = begin
        self._end = end
        self._frames = 0
        self._began = (0.0, 0.0)
        self._took = (0.0, 0.0)
        self._pss_mb = 0.0

    def __call__(self, frame: Frame, prediction: Prediction | None) -> None:
        del frame, prediction
        self._frames += 1
        now = time.process_time(), time.monotonic()
        if self._frames == self._begin:
            self._began = now
        elif self._frames == self._end:
            self._took = now[0] - self._began[0], now[1] - self._began[1]
            self._pss_mb = resident_mb(os.getpid())["Pss"]
            self._service.stop()

    def result(self) -> Run:
        """What was measured."""
        processor_ms, wall_ms = (took / (self._end - self._begin) * 1e3 for took in self._took)
        return Run(processor_ms, wall_ms, self._pss_mb)


def main(words: Sequence[str]) -> None:
    """The child: measures once, and prints it."""
    source, count, dead, frames, model = words
    found = measure(source, int(count), int(dead), int(frames), model)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
