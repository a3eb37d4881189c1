"""The service in a booted systemd, as its package installs it: times, memory, sandbox, kills."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks import service_kills, service_memory
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Aim, Figure
from tests.system.box import Box, missing_for_boxes
from tests.system.installed import CONFIGURATION, UNIT, Service, configuration
from tests.system.packages import built_package
from tests.system.roots import Recipe, RootError, debian_root, missing_for_roots

TIMES = "Service: times"
SANDBOX = "Service: inside its sandbox"
ABOUT = {
    TIMES: (
        "Debian 12 in a container with a real systemd, the real package, the emulated camera at",
        "20 frames a second; READY comes with the first classified frame; hangs are a SIGSTOP of",
        "the process, until the new one is READY; 'as it is' with the unit's own 30 s",
    ),
    service_memory.SECTION: service_memory.ABOUT,
    SANDBOX: (
        "the shipped cascade on drawn flowers, by one thread, inside and outside the sandbox in",
        "turn; exposure is what systemd-analyze security says, 0 to 10",
    ),
    service_kills.SECTION: service_kills.ABOUT,
}
PARTS = ("times", "memory", "sandbox", "kills")
NONE_LOST = Aim(0, "ours")
EXPOSED, EXPOSED_WITH_NETWORK = Aim(0.6, "ours"), Aim(1.5, "ours")

_DEBUG = {"log_level": "debug"}
_FRAME = re.compile(r"frame (\d+): ")
_EXPOSURE = re.compile(r"Overall exposure level for \S+: (\d+\.\d)")
_TIMED = Path(__file__).with_name("service_frames.py")


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench service``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench service",
        description="Measure the service in a booted systemd; needs root.",
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="default: all but kills")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each (5)")
    parser.add_argument("--boots", type=int, default=3, metavar="N", help="boots (3)")
    parser.add_argument(
        "--kills", type=int, default=0, metavar="N", help="kill it N times at random moments"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def sections(arguments: argparse.Namespace) -> Iterator[list[Figure]]:
    """Measure section by section; raises BenchmarkError."""
    wanted = arguments.only or [*PARTS[:3], *(("kills",) if arguments.kills else ())]
    with installed_root() as root:
        if "times" in wanted:
            boots = [_boot_s(root) for _ in range(arguments.boots)]
        with Box(root, files={CONFIGURATION: configuration()}) as box:
            service = Service(box)
            service.start()
            if "times" in wanted:
                yield [*_of_boots(boots), *_times(service, arguments.rounds)]
            if "memory" in wanted:
                yield list(service_memory.measure(service))
            if "sandbox" in wanted:
                yield list(_sandbox(service, arguments.rounds))
            if "kills" in wanted:
                yield list(service_kills.measure(service, arguments.kills or 500, arguments.seed))


@contextmanager
def installed_root() -> Iterator[Path]:
    """A Debian 12 in which the package is installed; raises BenchmarkError."""
    missing = missing_for_boxes() or missing_for_roots()
    if missing:
        raise BenchmarkError(missing)
    try:
        clean = debian_root(Recipe("bookworm"))
    except RootError as error:
        raise BenchmarkError(str(error)) from error
    package = built_package("amd64", "3.11")
    with tempfile.TemporaryDirectory(prefix="bench-service-", dir=clean.parent) as folder:
        root = Path(folder, "root")
        subprocess.run(["cp", "-a", "--reflink=auto", clean, root], check=True)
        shutil.copy(package, root / "pi-classifier.deb")
        command = ["chroot", str(root), "dpkg", "--install", "/pi-classifier.deb"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchmarkError(f"the package could not be installed:\n{done.stderr}")
        yield root


# Times


def _boot_s(root: Path) -> float:
    """From the start of systemd to the first classified frame."""
    with Box(root, files={CONFIGURATION: configuration()}) as box:
        Service(box).wait_for_state("active", 60)
        manager = box.systemctl("show", "--value", "--property=UserspaceTimestampMonotonic")
        return _moment_s(box, "ActiveEnter") - int(manager) / 1e6


def _moment_s(box: Box, which: str) -> float:
    return int(box.properties(UNIT)[f"{which}TimestampMonotonic"]) / 1e6


def _of_boots(boots: Sequence[float]) -> Iterator[Figure]:
    yield Figure(TIMES, f"n = {len(boots)}", "boot to READY", "s", median(boots))


def _times(service: Service, rounds: int) -> Iterator[Figure]:
    def figure(
        name: str, values: Sequence[float], unit: str = "s", aim: Aim | None = None
    ) -> Figure:
        return Figure(TIMES, f"n = {len(values)}", name, unit, median(values), aim=aim)

    starts, stops = zip(*(_start_and_stop_s(service) for _ in range(rounds)), strict=True)
    yield figure("start to READY", starts)
    yield figure("stop", stops)
    gaps = [_reload_gap(service) for _ in range(rounds)]
    lost, longest_s = zip(*gaps, strict=True)
    yield Figure(
        TIMES, f"n = {rounds}", "frames lost by a reload", "frames", sum(lost), aim=NONE_LOST
    )
    yield figure("longest pause between frames around it", longest_s)
    short = "[Service]\nWatchdogSec=2\n"
    yield figure("hang to READY, watchdog 2 s", [_hang_s(service, short) for _ in range(rounds)])
    yield figure("hang to READY, as it is", [_hang_s(service, "")])


def _start_and_stop_s(service: Service) -> tuple[float, float]:
    service.start()
    box = service.box
    start_s = service.start_s()
    service.wait_for(lambda entry: bool(entry.get("LABEL")))
    box.systemctl("stop", UNIT)
    return start_s, _moment_s(box, "InactiveEnter") - _moment_s(box, "ActiveExit")


def _reload_gap(service: Service) -> tuple[int, float]:
    """Frames lost, and the longest time between two, while the model is replaced."""
    service.start(configuration(run=_DEBUG))
    service.says("frame 20: ")
    service.box.write(CONFIGURATION, configuration(run=_DEBUG, model={"path": "flowers/fast"}))
    service.box.systemctl("reload", UNIT)
    reloaded = service.says("reloaded")
    service.wait_for(lambda entry: _number(entry) > _number_at(service, reloaded["__CURSOR"]) + 20)
    seen = [
        (_number(entry), int(entry["_SOURCE_REALTIME_TIMESTAMP"])) for entry in _frames(service)
    ]
    numbers = [number for number, _ in seen]
    lost = numbers[-1] - numbers[0] + 1 - len(set(numbers))
    longest = max(later - earlier for (_, earlier), (_, later) in pairwise(seen))
    return lost, longest / 1e6


def _frames(service: Service) -> list[dict[str, str]]:
    return [entry for entry in service.entries() if _number(entry) >= 0]


def _number(entry: dict[str, str]) -> int:
    """The number of the frame a debug entry is about, -1 for other entries."""
    match = _FRAME.match(entry.get("MESSAGE", ""))
    return int(match[1]) if match else -1


def _number_at(service: Service, cursor: str) -> int:
    """The last frame before an entry."""
    numbers = [0]
    for entry in service.entries():
        numbers.append(_number(entry))
        if entry["__CURSOR"] == cursor:
            break
    return max(numbers)


def _hang_s(service: Service, drop_in: str) -> float:
    service.start(configuration(camera={"timeout_s": 0.3}), drop_in)
    service.wait_for(lambda entry: bool(entry.get("LABEL")))
    hung_s = time.monotonic()
    service.kill("STOP")
    service.says("Watchdog timeout", 60)
    service.says("restart counter is at 1", 60)
    service.wait_for_state("active", 60)
    return _moment_s(service.box, "ActiveEnter") - hung_s


# The sandbox


def _sandbox(service: Service, rounds: int) -> Iterator[Figure]:
    box = service.box
    box.write("/opt/frames.py", _TIMED.read_text())
    command = ("/usr/bin/python3", "-I", "/opt/frames.py")
    place = (
        "[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=" + " ".join(command) + "\n"
    )

    def outside() -> float:
        user = (
            "runuser",
            "-u",
            "pi-classifier",
            "--",
            "env",
            "CACHE_DIRECTORY=/var/cache/pi-classifier",
        )
        return float(box.run("nice", "-n", "5", *user, *command).stdout.split()[-1])

    def inside() -> float:
        service.set_up(configuration(), place)
        box.systemctl("start", UNIT)
        return float(service.says("ms per frame: ")["MESSAGE"].split()[-1])

    outside()  # packs the weights
    pairs = [(inside(), outside()) for _ in range(rounds)]
    ours, peers = (median(each) for each in zip(*pairs, strict=True))
    subject = f"n = {rounds}"
    yield Figure(
        SANDBOX, subject, "time per frame", "ms", ours, "outside", peers, aim=Aim(1.1, "ratio")
    )
    unit = box.path(f"/usr/lib/systemd/system/{UNIT}").read_text()
    network = box.path("/usr/share/pi-classifier/examples/network.conf").read_text()
    for name, text, aim in (
        ("exposure", unit, EXPOSED),
        ("exposure, network.conf", unit + network, EXPOSED_WITH_NETWORK),
    ):
        box.write(f"/root/analyzed/{UNIT}", text)
        shown = box.run(*_analyze(f"/root/analyzed/{UNIT}")).stdout
        found = _EXPOSURE.search(shown)
        if found is None:
            raise BenchmarkError(f"systemd-analyze security said:\n{shown}")
        yield Figure(SANDBOX, "systemd-analyze", name, "of 10", float(found[1]), aim=aim)


def _analyze(unit: str) -> tuple[str, ...]:
    return ("systemd-analyze", "security", "--no-pager", "--offline=yes", unit)
