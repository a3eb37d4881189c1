"""Arguments of scripts/arm, and what it prints."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.system.roots import RootError

from . import table, trials
from .comparing import Difference
from .emulation import REPOSITORY, EmulationError, missing_for_emulation, native
from .machines import processor
from .places import BITS_32, BOOKWORM, PLACES, TRIXIE, Place

PARTS = ("scores", "demo", "tests", "package")
_TESTED = (
    Place(BOOKWORM, processor("cortex-a53")),
    Place(TRIXIE, processor("cortex-a76")),
)
_DEMONSTRATED = (*_TESTED, Place(BITS_32, processor("cortex-a7", "armhf"), "tflite"))


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/arm", description="Try the daemon on the Pi's processors, emulated."
    )
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="this part, and others named so"
    )
    parser.add_argument(
        "--processor", action="append", metavar="NAME", help="scores on these only, by QEMU's name"
    )
    parser.add_argument(
        "--frames", type=int, default=200, metavar="N", help="pictures of the garden (200)"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/reference/processors.md"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Try all that is asked for; 1 where something is not as it should be."""
    options = parser().parse_args(argv)
    # Otherwise what is emulated would live on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parts = options.only or PARTS
    try:
        missing = missing_for_emulation()
        if missing:
            raise EmulationError(missing)
        faults: list[str] = []
        if "scores" in parts:
            faults += _scores(options)
        for part, run in (("demo", _demo), ("tests", _tests), ("package", _package)):
            if part in parts:
                faults += run()
    except (EmulationError, RootError) as error:
        print(f"scripts/arm: error: {error}", file=sys.stderr)
        return 1
    for fault in faults:
        print(f"NOT AS EXPECTED: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _scores(options: argparse.Namespace) -> Iterator[str]:
    chosen = [
        place
        for place in PLACES
        if not options.processor or place.processor.name in options.processor
    ]
    scoring = trials.Scoring(options.frames)
    lines: list[str] = []
    print(table.table(()), flush=True)
    for place in chosen:
        try:
            found = scoring.at(place, _most(place, options.frames))
        except EmulationError as error:
            yield str(error)
            continue
        new = list(table.rows(place, found))
        print("\n".join(new), flush=True)
        lines += new
        yield from _strange(place, found)
    if options.write:
        table.write(table.table(lines))


def _most(place: Place, frames: int) -> int:
    """No board has the other processors, so they need not show as much."""
    return frames if place.processor.boards else max(1, frames // 5)


def _strange(place: Place, found: Sequence[Difference]) -> Iterator[str]:
    """What is not as the decision record says (docs/decisions/0021-processors.md)."""
    if place.processor.name == "max" and place.runtime == "litert":
        if all(each.self_test for each in found):
            yield f"{place.name}: the self-test lets wrong scores pass, or they are right now"
        return
    for each in found:
        # Another runtime rounds otherwise; its own figures are in the table.
        if not (each.within if place.runtime == "litert" else each.self_test):
            yield f"{place.name}: {each}"


def _demo() -> Iterator[str]:
    for place in _DEMONSTRATED:
        lines = trials.demo(place, 150)
        if lines.same_decisions:
            print(
                f"demo, {place.name}: {len(lines.there)} decisions on 150 frames as here, "
                f"scores within {lines.largest:.2g}",
                flush=True,
            )
        else:
            yield f"demo, {place.name}: {lines}"


def _tests() -> Iterator[str]:
    for place in _TESTED:
        try:
            print(f"tests, {place.name}: {trials.device_tests(place, trials.TESTS)}", flush=True)
        except EmulationError as error:
            yield str(error)


def _package() -> Iterator[str]:
    for userland, name in ((BOOKWORM, "cortex-a53"), (TRIXIE, "cortex-a76")):
        deb = _built(userland.python)
        lines = trials.package(userland.suite, processor(name), deb)
        print(f"package, {deb.name} in {userland.suite} on {name}: {lines}", flush=True)
        if not lines:
            yield f"{deb.name} in {userland.suite} on {name} saw nothing in 40 frames"


def _built(python: str) -> Path:
    done = native("systemd/package.sh", "arm64", python)
    found = sorted(REPOSITORY.glob(f"dist/pi-classifier_*+py{python.replace('.', '')}_arm64.deb"))
    if done.returncode != 0 or not found:
        raise EmulationError(f"systemd/package.sh arm64 {python} failed:\n{done.stderr}")
    return max(found, key=lambda path: path.stat().st_mtime_ns)
