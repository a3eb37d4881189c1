"""Which score tells frames unlike every label: candidates, judged by places they never saw."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.data.negatives import negative_sources
from pi_classifier_training.evaluation.false_announcements import area
from pi_classifier_training.evaluation.unknown import (
    MAX_SILENCED,
    silencing_threshold,
    unknown_weights,
)
from pi_classifier_training.retraining.head import fit_head

from benchmarks.unknown_cases import (
    Case,
    Part,
    head_case,
    model_case,
    model_photos,
    of_labels,
    read_photos,
    shared_out,
)
from pi_classifier.inference.unknown import UnknownRejection
from pi_classifier.modelfile.manifest import UnknownScore
from pi_classifier.system.files import write_json

Values = NDArray[np.float64]
FEW = 200
_MODELS = Path(__file__).resolve().parents[1] / "models/flowers"
CHOSEN = "weighted logarithms (chosen)"
FEATURES = "logistic on the network's features"


Scorer = Callable[[Part], Values]


def candidates(case: Case) -> Iterator[tuple[str, Scorer]]:
    """Every score that was considered, high for what is unknown."""
    spoken = [i for i in range(case.known.scores.shape[1]) if i not in case.silent]
    yield "best score", lambda part: -part.scores[:, spoken].max(axis=1).astype(float)
    if case.silent:
        silent = list(case.silent)
        yield "the silent label's score", lambda p: p.scores[:, silent].sum(axis=1).astype(float)
    yield "margin of the best two", lambda part: -_sorted(part)[:, 0] + _sorted(part)[:, 1]
    yield "entropy", _entropy
    few = _logistic(case, lambda part: np.c_[np.log(_sorted(part)[:, :5] + 1e-4), _entropy(part)])
    yield "logistic on five best and entropy", few
    right = case.known.right & case.called(case.known)
    called = case.nothing.scores[case.called(case.nothing)]
    written = unknown_weights(case.known.scores[right], called, case.silent, case.floor)
    weights = np.array(written, np.float32)
    rejection = UnknownRejection(UnknownScore(weights, case.floor, 0.0))
    yield CHOSEN, lambda part: np.array([rejection.score(row) for row in part.scores])
    if case.known.features is not None:
        yield FEATURES, _logistic(case, lambda part: part.features)


def _sorted(part: Part) -> Values:
    return np.sort(part.scores, axis=1)[:, ::-1].astype(np.float64)


def _entropy(part: Part) -> Values:
    scores = part.scores.astype(np.float64)
    entropy: Values = -(scores * np.log(np.maximum(scores, 1e-12))).sum(axis=1)
    return entropy


def _logistic(case: Case, figures: Callable[[Part], Any]) -> Scorer:
    """A logistic regression of right answers against photos of nothing."""
    known = np.asarray(figures(case.known), np.float32)[case.known.right]
    nothing = np.asarray(figures(case.nothing), np.float32)
    indices = np.repeat([0, 1], [len(known), len(nothing)]).astype(np.int64)
    head = fit_head(np.concatenate([known, nothing]), indices, 2)

    def scored(part: Part) -> Values:
        logits = head.logits(np.asarray(figures(part), np.float32)).astype(np.float64)
        difference: Values = logits[:, 1] - logits[:, 0]
        return difference

    return scored


def judged(case: Case) -> dict[str, dict[str, float]]:
    """The figures of every candidate, and those of the model without any."""
    sure = case.announced(case.known) & case.known.right
    true, false = case.announced(case.test) & case.test.right, case.announced(case.judges)
    found = {"none": {"false": float(false.mean()), "true": float(true.mean())}}
    called = case.called(case.judges)
    for name, score in candidates(case):
        threshold = silencing_threshold(score(case.known)[sure], MAX_SILENCED)
        test, judges = score(case.test), score(case.judges)
        right = case.test.right & case.called(case.test)
        found[name] = {
            "area": area(-test[right], -judges[called]),
            "false": float((false & (judges <= threshold)).mean()),
            "lost": float((test[true] > threshold).mean()),
        }
    return found


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(prog="scripts/bench unknown", description=__doc__)
    made.add_argument("--image-dir", required=True, type=Path, metavar="DIR", help="labels")
    made.add_argument(
        "--negatives", required=True, type=Path, metavar="DIR", help="places of anything else"
    )
    made.add_argument("--weights", default="imagenet", metavar="imagenet|FILE")
    made.add_argument(
        "--partitions", type=int, default=8, metavar="N", help="of the places, each drawn anew (8)"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return made


def run(arguments: argparse.Namespace) -> None:
    """Measure and print case after case."""
    everything: dict[str, Any] = {}
    for name, cases in _cases(arguments):
        rounds, counts = [], (0, 0)
        for case in cases:
            counts = len(case.test.truth), len(case.judges.truth)
            rounds.append(judged(case))
        everything[name] = rounds
        print("\n".join(_table(name, rounds, counts)), flush=True)
    print("\n".join(_device_times()))
    if arguments.json is not None:
        write_json(arguments.json, everything)


def _cases(arguments: argparse.Namespace) -> Iterator[tuple[str, Iterator[Case]]]:
    known, sources = scan([arguments.image_dir]), negative_sources([arguments.negatives])
    partitions = [shared_out(sources, seed) for seed in range(arguments.partitions)]
    photos = read_photos(known, sources, arguments.weights)
    for name, labels in (("all labels", None), (f"two labels, {FEW} photos each", (0, 1))):
        for learned, says in ((True, "learned from nothing too"), (False, "labels alone")):
            for bytes_out, kind in ((False, "float"), (True, "int8")):
                if labels is not None and bytes_out:
                    continue
                yield (
                    f"{name}; {says}; {kind}",
                    (
                        head_case(
                            photos if labels is None else of_labels(photos, labels, FEW, seed),
                            parts,
                            learned=learned,
                            bytes_out=bytes_out,
                        )
                        for seed, parts in enumerate(partitions)
                    ),
                )
    for model in (_MODELS / "fast.tflite", _MODELS / "accurate.tflite"):
        seen = model_photos(model, arguments.image_dir, sources)
        yield f"shipped {model.name}", (model_case(model, seen, parts) for parts in partitions)


def _table(
    name: str, rounds: Sequence[Mapping[str, Mapping[str, float]]], counts: tuple[int, int]
) -> Iterator[str]:
    false, true = (_spread([r["none"][key] for r in rounds]) for key in ("false", "true"))
    yield (
        f"\n{name}: {counts[0]} test photos of labels, about {counts[1]} of nothing, "
        f"{len(rounds)} partitions of its places"
    )
    yield f"  announced falsely {false}, rightly {true}"
    yield f"  {'score':36} {'area':18} {'still falsely':24} right ones lost"
    for key in list(rounds[0])[1:]:
        figures = [r[key] for r in rounds]
        area_, left, lost = ([f[k] for f in figures] for k in ("area", "false", "lost"))
        spread = f"{fmean(area_):.3f} ({min(area_):.2f}–{max(area_):.2f})"
        yield f"  {key:36} {spread:18} {_spread(left):24} {_spread(lost)}"


def _spread(shares: Sequence[float]) -> str:
    """Mean, lowest and highest of the partitions."""
    return f"{fmean(shares):.1%} ({min(shares):.1%}–{max(shares):.1%})"


def _device_times() -> Iterator[str]:
    yield "\nprocessor time of a frame, after the network"
    for labels in (2, 6, 1000):
        scores = np.full(labels, 1 / labels, np.float32)
        rejection = UnknownRejection(UnknownScore(np.ones(labels, np.float32), 1e-4, 0.0))
        times = []
        for _ in range(9):
            began_ns = time.process_time_ns()
            for _ in range(10_000):
                rejection(scores)
            times.append((time.process_time_ns() - began_ns) / 1e7)
        yield f"  {labels:5} labels {sorted(times)[4]:6.2f} µs"
