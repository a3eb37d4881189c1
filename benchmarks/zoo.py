"""The zoo: every network tried on one set of photos, measured alike, and the page about it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.imagenet import PUBLISHED
from pi_classifier_training.networks.spec import FAMILIES, NetworkSpec
from pi_classifier_training.retraining.run_folder import RUN_FILE, RunFolder
from pi_classifier_training.search.candidates import Weights

from benchmarks.errors import BenchmarkError
from benchmarks.zoo_chart import chart
from benchmarks.zoo_page import page
from benchmarks.zoo_record import Entry, PhotoSet, Zoo, read_zoo, update
from benchmarks.zoo_runs import folds, measured_run, photo_set
from pi_classifier.system.files import write_atomic

DOCS = Path(__file__).resolve().parents[1] / "docs"


def parser() -> argparse.ArgumentParser:
    """The parser of ``scripts/bench zoo``."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench zoo",
        description="Train a new head on every network whose published weights are at hand, "
        "measure its files and those of the finished runs in --runs, keep the figures and draw "
        "the page of the zoo from them. What was measured before is not measured again; killed, "
        "it goes on. Without --image-dir only the page is drawn anew.",
    )
    parser.add_argument("--image-dir", type=Path, metavar="DIR")
    parser.add_argument(
        "--weights-dir", type=Path, metavar="DIR", help="weights under the names Keras gives them"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where heads are trained: a folder for each"
    )
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        action="append",
        default=[],
        help="folder with the output folders of 'retrain'; nothing is written there",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help="only this network or run (mobilenet_v1-0.25-128), and others named so",
    )
    parser.add_argument(
        "--docs",
        type=Path,
        default=DOCS,
        metavar="DIR",
        help="where training/zoo.json, training/zoo.md and pictures/zoo.svg lie "
        "(default: those of this checkout)",
    )
    return parser


@dataclass(frozen=True, slots=True)
class Places:
    """The files of the zoo below a folder of documents."""

    docs: Path

    @property
    def record(self) -> Path:
        """The figures."""
        return self.docs / "training" / "zoo.json"

    @property
    def page(self) -> Path:
        """The page drawn from them."""
        return self.docs / "training" / "zoo.md"

    @property
    def chart(self) -> Path:
        """The page's picture."""
        return self.docs / "pictures" / "zoo.svg"


def run(arguments: argparse.Namespace) -> None:
    """Measure what is new, then draw the page."""
    places = Places(arguments.docs)
    if arguments.image_dir is None:
        if arguments.work or arguments.runs or arguments.weights_dir:
            raise BenchmarkError(
                "there is nothing to measure on: name the photos, --image-dir DIR"
            )
        _draw(read_zoo(places.record), places)
        return
    photos, every = photo_set(arguments.image_dir)
    zoo = update(places.record, photos, lambda zoo: zoo)
    for step in _steps(arguments, zoo):
        if arguments.only and step.name not in arguments.only:
            continue
        _measure(step, arguments.image_dir, photos, every, places)


@dataclass(frozen=True, slots=True)
class _Step:
    """A run to be measured; `head` is the network to be trained before, with its weights."""

    run: Path
    known: Entry | None
    head: tuple[NetworkSpec, Path] | None = None

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.run.resolve().name


def _steps(arguments: argparse.Namespace, zoo: Zoo) -> Iterator[_Step]:
    """Networks whose head is not measured yet, small pictures first; then finished runs."""
    if arguments.work is not None:
        weights = Weights(arguments.weights_dir)
        for spec in sorted(_networks(), key=lambda spec: spec.resolution):
            run = arguments.work / f"{spec.name}-{spec.width:g}-{spec.resolution}"
            known = zoo.entries.get(run.name)
            if known is None or known.folds is None:
                file = weights.file_of(spec)
                if file is not None:
                    yield _Step(run, known, (spec, file))
    for folder in arguments.runs:
        for summary in sorted([*folder.glob(RUN_FILE), *folder.glob(f"*/{RUN_FILE}")]):
            yield _Step(summary.parent, zoo.entries.get(summary.parent.resolve().name))


def _networks() -> Iterator[NetworkSpec]:
    for name, width in PUBLISHED:
        for resolution in FAMILIES[name].resolutions:
            yield NetworkSpec(name, width, resolution)


def _measure(
    step: _Step, image_dir: Path, photos: PhotoSet, every: Sequence[Photo], places: Places
) -> None:
    """Measure one run and put its entry into the record; say what came of it in a line."""
    started = time.monotonic()
    try:
        if step.head is not None:
            _train_head(step.run, *step.head, image_dir)
        entry = measured_run(step.run, every, step.known)
        if step.head is not None:
            spec, weights = step.head
            entry = replace(entry, folds=folds(spec, str(weights), every))
    except (BenchmarkError, TrainingError) as error:
        print(f"{error}; passed over", flush=True)
        return
    if entry == step.known:
        print(f"{step.name}: as it was", flush=True)
        return
    _draw(update(places.record, photos, lambda zoo: zoo.with_entry(entry)), places)
    took, right = time.monotonic() - started, entry.files["int8"].test
    print(f"{step.name}: int8 {right.accuracy.value:.1%} of {right.n}, {took:.0f} s", flush=True)


def _train_head(run: Path, spec: NetworkSpec, weights: Path, image_dir: Path) -> None:
    """Train the head alone as ``retrain`` does, and export both files; a finished run stays."""
    from pi_classifier_training.export.run_export import DEFAULT_KINDS, export_source, open_run
    from pi_classifier_training.modelfile.model_card import ModelCard
    from pi_classifier_training.retraining.options import RetrainOptions
    from pi_classifier_training.retraining.retrain import retrain

    folder = RunFolder(run)
    with folder.held():
        if (run / RUN_FILE).exists() and set(DEFAULT_KINDS) <= folder.summary().get(
            "evaluation", {}
        ).keys():
            return
        options = RetrainOptions(spec, str(weights), card=ModelCard(name=run.name))
        retrain([image_dir], run, options)
        for _ in export_source(open_run(run, [image_dir])):
            pass


def _draw(zoo: Zoo, places: Places) -> None:
    write_atomic(places.page, page(zoo).encode())
    write_atomic(places.chart, chart(zoo))
