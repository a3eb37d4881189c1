"""Accept thresholds of a cascade, chosen on validation photos along what it really costs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.classifier import ModelSettings, open_classifier
from pi_classifier.types import Frame
from training.data.dataset import Photo, Split, scan
from training.errors import TrainingError
from training.evaluation.scoring import Scores, score_photos
from training.evaluation.metrics import wilson
from training.evaluation.report_text import share
from training.files import write_whole

WARM_UP, TIMED = 10, 100
# Thresholds beyond 0.99 would leave next to nothing to the cheap model.
THRESHOLDS = np.round(np.arange(0.30, 0.995, 0.01), 2)


def make_cascade(
    models: Sequence[Path],
    image_dirs: Sequence[Path],
    name: str,
    output: Path,
    *,
    max_loss: float,
    accept: float | None = None,
) -> Iterator[str]:
    """Choose the accept threshold of a cheap model before a costly one; write cascade.toml.

    The lowest threshold is taken at which the cascade loses at most `max_loss` (a
    fraction) of the costly model's accuracy on the validation photos; it is then
    measured on the test photos. A given `accept` is taken as it is. Yields lines to
    print. Raises TrainingError.
    """
    if len(models) != 2:
        raise TrainingError(f"a cascade joins two models, the cheap one first; got {len(models)}")
    photos = scan(image_dirs)
    if accept is None:
        cheap, costly = (_score(model, photos, "validation") for model in models)
        accept = choose_threshold(cheap, costly, max_loss)
    cheap, costly = (_score(model, photos, "test") for model in models)
    cheap_ms, costly_ms = (_frame_ms(model) for model in models)
    measured = measure(cheap, costly, accept, cheap_ms, costly_ms)
    write_whole(output, _toml(models, name, accept, measured, output).encode())
    yield f"{output}: frames go on to {models[1].name} below a score of {accept:.2f}"
    for which in ("cascade", "cheap", "costly"):
        yield f"  {which:8} {share(measured[which], 'top1')}"
    yield (
        f"  deferral ratio {measured['deferral_ratio']:.1%}; "
        f"{measured['cost_ratio']:.0%} of the costly model's time"
    )
    limit = 1 - measured["cheap_ms"] / measured["costly_ms"]
    if measured["deferral_ratio"] > limit:
        yield (
            f"warning: this cascade cannot win: it defers more than {limit:.0%}, so the costly "
            "model alone would be faster"
        )


def _score(model: Path, photos: Sequence[Photo], split: Split) -> Scores:
    chosen = [p for p in photos if p.split == split]
    if not chosen:
        raise TrainingError(f"no photo belongs to the {split} split; more photos are needed")
    settings = ModelSettings(path=str(model), top_k=0)
    with contextlib.closing(open_classifier(settings)) as classifier:
        return score_photos(classifier, chosen)


def _frame_ms(model: Path) -> float:
    """Median time of one camera frame, 640×480: photos of many sizes would cost more."""
    pixels = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    with contextlib.closing(open_classifier(ModelSettings(path=str(model)))) as classifier:
        times = [
            classifier.classify(Frame(pixels, i, i)).latency_ns for i in range(WARM_UP + TIMED)
        ]
    return float(np.median(times[WARM_UP:])) / 1e6


def _joined(cheap: Scores, costly: Scores, accept: float) -> NDArray[np.bool_]:
    """Whether the cascade is right on each photo, bool ``[n]``."""
    deferred = cheap.scores.max(axis=1) < accept
    answer = np.where(deferred, costly.scores.argmax(axis=1), cheap.scores.argmax(axis=1))
    right: NDArray[np.bool_] = answer == cheap.truth
    return right


def choose_threshold(cheap: Scores, costly: Scores, max_loss: float) -> float:
    """The lowest threshold from which on the loss stays within `max_loss`.

    Every higher threshold must keep the bound as well, so that a lucky dip of a
    small validation set is not taken.
    """
    bound = float(np.mean(costly.scores.argmax(axis=1) == costly.truth)) - max_loss
    chosen = float(THRESHOLDS[-1])
    for accept in THRESHOLDS[::-1]:
        if float(np.mean(_joined(cheap, costly, float(accept)))) < bound - 1e-9:
            break
        chosen = float(accept)
    return chosen


def measure(
    cheap: Scores, costly: Scores, accept: float, cheap_ms: float, costly_ms: float
) -> dict[str, Any]:
    """Accuracy, deferral ratio and mean cost of the cascade on scored photos.

    `cheap_ms` and `costly_ms` are what each model takes for one frame.
    """
    n = len(cheap.truth)
    record: dict[str, Any] = {}
    for name, right in (
        ("cascade", _joined(cheap, costly, accept)),
        ("cheap", cheap.scores.argmax(axis=1) == cheap.truth),
        ("costly", costly.scores.argmax(axis=1) == costly.truth),
    ):
        accuracy = wilson(int(right.sum()), n)
        record[name] = {
            "n": n,
            "top1": accuracy.value,
            "top1_interval": [accuracy.low, accuracy.high],
        }
    deferral = float(np.mean(cheap.scores.max(axis=1) < accept))
    return record | {
        "deferral_ratio": deferral,
        "cheap_ms": cheap_ms,
        "costly_ms": costly_ms,
        "cost_ratio": (cheap_ms + deferral * costly_ms) / costly_ms,
    }


def _toml(
    models: Sequence[Path], name: str, accept: float, measured: dict[str, Any], output: Path
) -> str:
    first, last = (os.path.relpath(m, output.parent) for m in models)
    return f"""\
# Written by 'pi-classifier-train cascade'; train again rather than edit.
schema_version = 1
name = "{name}"

[[stage]]
model = "{first}"
accept = {accept}

[[stage]]
model = "{last}"

# On {measured["cascade"]["n"]} held-out photos, on the machine that trained.
[measured]
n = {measured["cascade"]["n"]}
top1 = {measured["cascade"]["top1"]:.4f}
top1_first_stage = {measured["cheap"]["top1"]:.4f}
top1_last_stage = {measured["costly"]["top1"]:.4f}
deferral_ratio = {measured["deferral_ratio"]:.4f}
cost_ratio = {measured["cost_ratio"]:.3f}
"""
