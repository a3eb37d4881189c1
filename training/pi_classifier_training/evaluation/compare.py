"""Several models on the same photos: whether one is really better, and what it costs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import open_classifier
from pi_classifier.preprocessing.preprocessor import load_image
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.evaluate import EvaluationOptions, evaluation_of, photos_of
from pi_classifier_training.evaluation.labeling import match_labels
from pi_classifier_training.evaluation.report_text import SIGNIFICANT, between, difference_words
from pi_classifier_training.evaluation.scoring import PhotoProgress, classify_photos
from pi_classifier_training.evaluation.significance import (
    calibration_change_interval,
    difference_interval,
    loss_column,
    paired,
)
from pi_classifier_training.evaluation.timing import ROUNDS, frame_ms


def compare(
    models: Sequence[str],
    image_dirs: Sequence[Path],
    options: EvaluationOptions | None = None,
    progress: PhotoProgress = iter,
) -> list[dict[str, Any]]:
    """Evaluate models or cascades on the same photos; return the record of each.

    To each of `evaluate` is added ``file``, what was named, and ``frame_ms``, the time
    of one 640×480 frame, all models taking turns; to all but the first ``against``:
    how it differs from the first, and how likely chance alone makes such a difference.
    Every photo is decoded once and shown to all. Raises TrainingError.
    """
    if len(models) < 2:
        raise TrainingError("comparing needs two models or more; got one: use evaluate")
    options = options or EvaluationOptions()
    photos, names = photos_of(image_dirs, options.split), options.label_names()
    with contextlib.ExitStack() as opened:
        classifiers = [
            opened.enter_context(contextlib.closing(open_classifier(options.applied_to(None, m))))
            for m in models
        ]
        for classifier in classifiers[1:]:
            if sorted(classifier.labels) != sorted(classifiers[0].labels):
                raise TrainingError(
                    f"{classifier.name} and {classifiers[0].name} have different labels; only "
                    "models that tell the same labels apart can be compared"
                )
        photos = match_labels(photos, classifiers[0].labels, classifiers[0].name, names)
        outcomes = classify_photos(classifiers, photos, progress)
        shown = outcomes[0].photos[:: max(1, len(outcomes[0].photos) // ROUNDS)][:ROUNDS]
        times_ms = frame_ms(classifiers, [load_image(photo.path) for photo in shown])
        records = [
            evaluation_of(c, a, options.split) for c, a in zip(classifiers, outcomes, strict=True)
        ]
    for i, (record, theirs) in enumerate(zip(records, outcomes, strict=True)):
        record["file"], record["frame_ms"] = models[i], times_ms[i]
        if i > 0:
            ours = outcomes[0]
            change = difference_interval(loss_column(ours), loss_column(theirs))
            record["against"] = paired(ours, theirs) | {
                "cross_entropy_difference_interval": list(change),
                "calibration_error_difference_interval": list(
                    calibration_change_interval(ours, theirs)
                ),
            }
    return records


def worse(records: Sequence[Mapping[str, Any]], points: float | None) -> list[str]:
    """The files worse than the first: by more than `points` points of top-1 accuracy.

    Without `points`: those whose loss chance alone would hardly explain.
    """
    found = []
    for record in records[1:]:
        test = record["against"]
        lost = -100 * test["top1_difference"]
        clearly = lost > 0 and test["p_value"] < SIGNIFICANT
        if clearly if points is None else lost > points + 1e-9:
            found.append(record["file"])
    return found


def comparison_lines(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines ``compare`` prints."""
    first = records[0]
    names = _short_names([record["file"] for record in records])
    width = max(len(name) for name in names)
    heading = f"top-1 on {first['n']} photos ({first['split']})"
    yield (
        f"{'':{width}}  {heading:28} {'cross-entropy':21} {'calibration error':20} "
        f"{'size':>8} {'a frame':>9}"
    )
    for name, record in zip(names, records, strict=True):
        yield (
            f"{name:{width}}  {between(record, 'top1', '.1%'):28} "
            f"{between(record, 'cross_entropy', '.3f'):21} "
            f"{between(record, 'calibration_error', '.1%'):20} "
            f"{record['size_bytes'] / 1000:5.0f} kB {record['frame_ms']:6.2f} ms"
        )
    yield ""
    for name, record in zip(names[1:], records[1:], strict=True):
        yield f"{name} against {names[0]}: {difference_words(record['against'], record['n'])}"
        yield f"  {_only(names[0], name, record['against'])}"


def _only(first: str, name: str, test: Mapping[str, Any]) -> str:
    return (
        f"{test['only_this_right']} photos are right only with {name}, "
        f"{test['only_first_right']} only with {first}"
    )


def _short_names(files: Sequence[str]) -> list[str]:
    """The files without the folders that all share."""
    parts = [Path(file).parts for file in files]
    shared = 0
    while all(len(p) > shared + 1 and p[shared] == parts[0][shared] for p in parts):
        shared += 1
    return [str(Path(*p[shared:])) for p in parts]
