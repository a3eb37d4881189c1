"""Every kind of smaller file beside the float file: accuracy, size, time, network by network."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BenchmarkError
from pi_classifier.system.files import write_json

if TYPE_CHECKING:
    from pi_classifier_training.export.source import Source

KINDS = ("float", "dynamic-range", "full-integer", "quantization-aware", "rounded")


@dataclass(frozen=True, slots=True)
class Compressed:
    """A file of one kind on the test photos; accuracies from 0 to 1, times beside the float's.

    `difference` is from the float file's accuracy, with the 95 % interval of the paired
    difference; `lost` and `won` are the photos that only the one or the other gets right.
    """

    network: str
    kind: str
    n: int
    right: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    lost: int
    won: int
    kb: float
    gzip_kb: float
    time: float


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench compression``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench compression",
        description="Make every kind of smaller file of finished runs or float model files, and "
        "compare each with the float file on the photos of the test split.",
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="RUN|MODEL.tflite")
    parser.add_argument("--image-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--most", type=int, metavar="N",
        help="train quantization-aware on at most so many photos of a label",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", choices=KINDS[1:], help="make this kind, and others named so"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Measure and print network after network."""
    from pi_classifier_training.export.run_export import open_source

    print(
        f"{'network':26} {'kind':18} {'n':>4} {'right':>6} {'95 %':>13} {'beside float':>12} "
        f"{'95 %':>13} {'lost/won':>8} {'kB':>6} {'gzip':>6} {'time':>5}"
    )
    rows: list[Compressed] = []
    for path in arguments.sources:
        source = open_source(path, [arguments.image_dir])
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            made = _files(source, arguments, Path(folder))
            for row in _measured(source, list(made)):
                rows.append(row)
                print(_line(row), flush=True)
    if arguments.json is not None:
        write_json(arguments.json, {"files": [asdict(row) for row in rows]})


def _line(row: Compressed) -> str:
    low, high = (100 * end for end in row.interval)
    under, over = (100 * end for end in row.difference_interval)
    return (
        f"{row.network:26} {row.kind:18} {row.n:4} {100 * row.right:6.1f} {low:6.1f}–{high:<6.1f} "
        f"{100 * row.difference:+12.1f} {under:+6.1f}–{over:<+6.1f} {row.lost:4}/{row.won:<3} "
        f"{row.kb:6.0f} {row.gzip_kb:6.0f} {row.time:5.2f}"
    )


def _files(
    source: Source, arguments: argparse.Namespace, folder: Path
) -> Iterator[tuple[str, Path]]:
    """Each kind's name and file; the float file first. One graph and one start serve all."""
    from pi_classifier_training.compression.quantization import trained
    from pi_classifier_training.compression.quantization_aware import AwareOptions
    from pi_classifier_training.conversion.bias_correction import full_integer
    from pi_classifier_training.conversion.conversion import convert
    from pi_classifier_training.export.source import calibration_photos
    from pi_classifier_training.modelfile.writer import write_model_file

    from pi_classifier.modelfile.model_graph import read_model_graph

    wanted = arguments.only or KINDS[1:]
    network, calibration = source.network, calibration_photos(source)

    def written(kind: str, bare: bytes) -> tuple[str, Path]:
        path = folder / f"{kind}.tflite"
        entries = {"name": kind, **source.entries()}
        path.write_bytes(write_model_file(bare, network.labels, entries))
        return kind, path

    original = convert(network, "float32", calibration)
    yield written("float", original)
    if "dynamic-range" in wanted:
        yield written("dynamic-range", convert(network, "dynamic", calibration))
    start = full_integer(read_model_graph(original), calibration.pixels)
    if "full-integer" in wanted:
        yield written("full-integer", start.write(network.name))
    if "quantization-aware" in wanted:
        aware = trained(source, start, AwareOptions(per_label=arguments.most))
        yield written("quantization-aware", aware.result.write(network.name))
    if "rounded" in wanted:
        yield "rounded", _rounded(folder, arguments.image_dir)


def _rounded(folder: Path, image_dir: Path) -> Path:
    """As the command rounds when nothing else is said."""
    from pi_classifier_training.compression.rounding.delivery import RoundOptions, round_model

    path = folder / "rounded.tflite"
    for _ in round_model(folder / "float.tflite", path, [image_dir], RoundOptions()):
        pass
    return path


def _measured(source: Source, files: Sequence[tuple[str, Path]]) -> Iterator[Compressed]:
    from pi_classifier_training.compression.rounding.float_file import packed_bytes
    from pi_classifier_training.evaluation.evaluate import figures
    from pi_classifier_training.evaluation.scoring import classify_photos
    from pi_classifier_training.evaluation.significance import paired
    from pi_classifier_training.evaluation.timing import network_ms
    from pi_classifier_training.export.export import TRIAL

    from pi_classifier.inference.classifier import open_model

    chosen = [photo for photo in source.photos() if photo.split == "test"]
    if not chosen:
        raise BenchmarkError(f"{source.path}: none of the photos is of the test split; give more")
    with contextlib.ExitStack() as stack:
        classifiers = [
            stack.enter_context(contextlib.closing(open_model(path, TRIAL))) for _, path in files
        ]
        outcomes, times = classify_photos(classifiers, chosen), network_ms(classifiers)
    for (kind, path), own, ms in zip(files, outcomes, times, strict=True):
        merits, beside = figures(own), paired(outcomes[0], own)
        yield Compressed(
            _title(source), kind, merits["n"], merits["top1"], tuple(merits["top1_interval"]),
            beside["top1_difference"], tuple(beside["top1_difference_interval"]),
            beside["only_first_right"], beside["only_this_right"], path.stat().st_size / 1000,
            packed_bytes(path.read_bytes()) / 1000, ms / times[0],
        )  # fmt: skip


def _title(source: Source) -> str:
    spec: Any = getattr(source.network, "spec", None)
    return str(source.network.name if spec is None else spec.title)
