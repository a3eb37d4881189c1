"""Arguments, the order of the benchmarks, and what is printed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import (
    budget,
    camera,
    cameras,
    compression,
    eyes,
    frame_time,
    gate,
    growth,
    head,
    imports,
    log,
    memory,
    peers,
    report,
    rounding,
    service,
    soak,
    speech,
    start,
    tiles,
    training,
)
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figure
from benchmarks.programs import pair, telling_photo
from benchmarks.scenes import Pixels, garden
from benchmarks.subject import Subject, subjects
from pi_classifier.errors import PiClassifierError
from pi_classifier.system.files import write_atomic

_Run = Callable[[argparse.Namespace], None]

PARTS = ("frames", "start", "memory", "imports")
_USUAL = PARTS[:3]


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench daemon",
        description="Measure the daemon beside a bare interpreter loop.",
    )
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="default: the shipped flowers, each and cascade"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="for models without labels")
    parser.add_argument(
        "--photo", type=Path, metavar="FILE", help="for start and memory; default: a drawn flower"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help="measure this part, and others named so; default: all but imports",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    for option, default, text in (
        ("--frames", 24, "different frames in a round"),
        ("--rounds", 41, "rounds, in which ours and the peers take turns"),
        ("--starts", 9, "starts of each program"),
        ("--runs", 3, "runs of each program in which its memory is looked at"),
    ):
        parser.add_argument(
            option, type=_positive, default=default, metavar="N", help=f"{text} ({default})"
        )
    parser.add_argument(
        "--settle",
        type=float,
        default=2.0,
        metavar="S",
        help="seconds from the first label to the look at its memory (2)",
    )
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1 or more")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 0 when all could be measured, whatever the figures."""
    words = list(sys.argv[1:] if argv is None else argv)
    subject = words.pop(0) if words and words[0] in _SUBJECTS else "daemon"
    run, make_parser = _SUBJECTS[subject]
    known = make_parser()
    arguments = known.parse_args(words)
    try:
        run(arguments)
    except (PiClassifierError, BenchmarkError) as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 1
    return 0


def _daemon(arguments: argparse.Namespace) -> None:
    wanted = subjects(arguments.models, arguments.labels)
    facts = report.machine()
    print(report.heading(facts), flush=True)
    pictures = garden(arguments.frames)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for part in arguments.only or _USUAL:
            found = list(_part(part, arguments, wanted, pictures, Path(folder)))
            print(report.section(found), flush=True)
            figures += found
    if arguments.json is not None:
        options = {key: getattr(arguments, key) for key in ("frames", "rounds", "starts", "runs")}
        text = report.as_json({"machine": facts, "options": options}, figures)
        write_atomic(arguments.json, text.encode())


def _training(arguments: argparse.Namespace) -> None:
    _sections(arguments, training.sections(arguments))


def _service(arguments: argparse.Namespace) -> None:
    _sections(arguments, service.sections(arguments))


def _speech(arguments: argparse.Namespace) -> None:
    _sections(arguments, speech.sections(arguments))


def _camera(arguments: argparse.Namespace) -> None:
    _sections(arguments, camera.sections(arguments))


def _cameras(arguments: argparse.Namespace) -> None:
    _sections(arguments, cameras.sections(arguments))


def _budget(arguments: argparse.Namespace) -> None:
    _sections(arguments, budget.sections(arguments))


def _tiles(arguments: argparse.Namespace) -> None:
    _sections(arguments, tiles.sections(arguments))


def _gate(arguments: argparse.Namespace) -> None:
    _sections(arguments, gate.sections(arguments))


def _growth(arguments: argparse.Namespace) -> None:
    _sections(arguments, growth.sections(arguments))


def _soak(arguments: argparse.Namespace) -> None:
    _sections(arguments, soak.sections(arguments))


def _log(arguments: argparse.Namespace) -> None:
    _sections(arguments, log.sections(arguments))


# The bench need not be installed for the other benchmarks.
def _unknown(arguments: argparse.Namespace) -> None:
    from benchmarks import unknown

    unknown.run(arguments)


def _shipped(arguments: argparse.Namespace) -> None:
    from benchmarks import shipped

    shipped.run(arguments)


def _head(arguments: argparse.Namespace) -> None:
    _sections(arguments, head.sections(arguments))


def _zoo(arguments: argparse.Namespace) -> None:
    from benchmarks import zoo

    zoo.run(arguments)


def _zoo_parser() -> argparse.ArgumentParser:
    from benchmarks import zoo

    return zoo.parser()


def _unknown_parser() -> argparse.ArgumentParser:
    from benchmarks import unknown

    return unknown.parser()


def _shipped_parser() -> argparse.ArgumentParser:
    from benchmarks import shipped

    return shipped.parser()


def _sections(arguments: argparse.Namespace, sections: Iterable[list[Figure]]) -> None:
    facts = report.machine()
    print(report.heading(facts), flush=True)
    figures: list[Figure] = []
    for found in sections:
        print(report.section(found), flush=True)
        figures += found
    if arguments.json is not None:
        write_atomic(arguments.json, report.as_json({"machine": facts}, figures).encode())


_SUBJECTS: Mapping[str, tuple[_Run, Callable[[], argparse.ArgumentParser]]] = {
    "daemon": (_daemon, parser),
    "training": (_training, training.parser),
    "service": (_service, service.parser),
    "speech": (_speech, speech.parser),
    "log": (_log, log.parser),
    "budget": (_budget, budget.parser),
    "tiles": (_tiles, tiles.parser),
    "camera": (_camera, camera.parser),
    "cameras": (_cameras, cameras.parser),
    "gate": (_gate, gate.parser),
    "growth": (_growth, growth.parser),
    "soak": (_soak, soak.parser),
    "eyes": (eyes.run, eyes.parser),
    "head": (_head, head.parser),
    "zoo": (_zoo, _zoo_parser),
    "compression": (compression.run, compression.parser),
    "peers": (peers.run, peers.parser),
    "rounding": (rounding.run, rounding.parser),
    "unknown": (_unknown, _unknown_parser),
    "shipped": (_shipped, _shipped_parser),
}


def _part(
    part: str,
    arguments: argparse.Namespace,
    wanted: Sequence[Subject],
    pictures: Sequence[Pixels],
    folder: Path,
) -> Iterator[Figure]:
    for number, subject in enumerate(wanted):
        own = folder / f"{part}-{number}"
        own.mkdir()
        if part == "frames":
            yield from frame_time.measure(subject, pictures, arguments.rounds, own)
        else:
            yield from _programs(part, arguments, subject, pictures, own)


def _programs(
    part: str,
    arguments: argparse.Namespace,
    subject: Subject,
    pictures: Sequence[Pixels],
    folder: Path,
) -> Iterator[Figure]:
    pixels = telling_photo(subject, pictures, arguments.photo, folder / "other-cache")
    programs = pair(subject, pixels, folder)
    if part == "start":
        yield from start.measure(subject.name, programs, arguments.starts)
    elif part == "memory":
        yield from memory.measure(subject, programs, arguments.runs, arguments.settle)
    else:
        yield from imports.measure(subject.name, programs.fast_daemon)
