"""Several models on the same photos: whether one is really better, and what it costs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pi_classifier.inference.classifier import open_classifier
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.types import Classifier
from pi_classifier_training.data.dataset import PhotoProgress
from pi_classifier_training.errors import DatasetError, TrainingError
from pi_classifier_training.evaluation.evaluate import (
    EvaluationOptions,
    evaluate_unknown,
    evaluation_of,
)
from pi_classifier_training.evaluation.held_out import ChosenPhotos
from pi_classifier_training.evaluation.report_text import (
    SIGNIFICANT,
    between,
    difference_words,
    top_lines,
)
from pi_classifier_training.evaluation.scoring import Outcomes, classify_photos
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
    """Evaluate models or cascades on the same photos; return the evaluation of each.

    To each of `evaluate` is added ``file``, what was named, and ``frame_ms``, the time
    of one 640×480 frame, all models taking turns; to all but the first ``against``:
    how it differs from the first, and how likely chance alone makes such a difference.
    Every photo is decoded once and shown to all. Where their labels differ, photos of the
    labels that all know are taken. Raises TrainingError.
    """
    if len(models) < 2:
        raise TrainingError("comparing needs two models or more; got one: use evaluate")
    options = options or EvaluationOptions()
    with contextlib.ExitStack() as opened:
        classifiers = [
            opened.enter_context(contextlib.closing(open_classifier(options.applied_to(None, m))))
            for m in models
        ]
        chosen = _shared(options.photos_for(classifiers, image_dirs), shared_labels(classifiers))
        outcomes = classify_photos(classifiers, chosen.photos, progress)
        shown = outcomes[0].photos[:: max(1, len(outcomes[0].photos) // ROUNDS)][:ROUNDS]
        times_ms = frame_ms(classifiers, [load_image(photo.path) for photo in shown])
        evaluations = [
            evaluation_of(c, o, chosen) for c, o in zip(classifiers, outcomes, strict=True)
        ]
        if options.unknown:
            unknown = evaluate_unknown(classifiers, outcomes, options, progress)
            for evaluation, record in zip(evaluations, unknown, strict=True):
                evaluation["unknown"] = record
    for evaluation, file, time_ms in zip(evaluations, models, times_ms, strict=True):
        evaluation["file"], evaluation["frame_ms"] = file, time_ms
    for evaluation, own in zip(evaluations[1:], outcomes[1:], strict=True):
        evaluation["against"] = _difference(outcomes[0], own)
    return evaluations


def shared_labels(classifiers: Sequence[Classifier]) -> list[str]:
    """The labels that all know, in the order of the first. Raises TrainingError without two."""
    first = classifiers[0]
    shared = [label for label in first.labels if all(label in c.labels for c in classifiers)]
    if len(shared) < 2:
        known = "; ".join(f"{c.name}: {', '.join(list(c.labels)[:20])}" for c in classifiers)
        raise TrainingError(
            f"these models share {len(shared)} labels, and comparing needs two or more ({known})"
        )
    return shared


def _shared(chosen: ChosenPhotos, labels: Sequence[str]) -> ChosenPhotos:
    """Those photos that show labels which all models know. Raises DatasetError for none."""
    photos = [photo for photo in chosen.photos if photo.label in labels]
    if not photos:
        raise DatasetError(
            f"none of the photos shows a label that all these models know: {', '.join(labels)}"
        )
    return replace(chosen, photos=photos)


def labels_differ(evaluations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the models knows a label that another does not."""
    return len({frozenset(evaluation["labels"]) for evaluation in evaluations}) > 1


def _difference(first: Outcomes, own: Outcomes) -> dict[str, Any]:
    """How a model differs from the first on the same photos, with 95 % intervals."""
    change = difference_interval(loss_column(first), loss_column(own))
    calibration = calibration_change_interval(first, own)
    return paired(first, own) | {
        "cross_entropy_difference_interval": list(change),
        "calibration_error_difference_interval": list(calibration),
    }


def worse(evaluations: Sequence[Mapping[str, Any]], points: float | None) -> list[str]:
    """The files worse than the first: by more than `points` points of top-1 accuracy.

    Without `points`: those whose loss chance alone would hardly explain.
    """
    files = []
    for evaluation in evaluations[1:]:
        test = evaluation["against"]
        lost = -100 * test["top1_difference"]
        clearly = lost > 0 and test["p_value"] < SIGNIFICANT
        if clearly if points is None else lost > points + 1e-9:
            files.append(evaluation["file"])
    return files


def comparison_lines(evaluations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines ``compare`` prints."""
    first = evaluations[0]
    names = _short_names([evaluation["file"] for evaluation in evaluations])
    width = max(len(name) for name in names)
    heading = f"top-1 on {first['n']} photos"
    yield f"on {first['photos']['words']}"
    yield from _label_notes(names, evaluations)
    yield (
        f"{'':{width}}  {heading:28} {'cross-entropy':21} {'calibration error':20} "
        f"{'size':>8} {'a frame':>9}"
    )
    for name, evaluation in zip(names, evaluations, strict=True):
        yield (
            f"{name:{width}}  {between(evaluation, 'top1', '.1%'):28} "
            f"{between(evaluation, 'cross_entropy', '.3f'):21} "
            f"{between(evaluation, 'calibration_error', '.1%'):20} "
            f"{evaluation['size_bytes'] / 1000:5.0f} kB {evaluation['frame_ms']:6.2f} ms"
        )
    if tops := list(top_lines(dict(zip(names, evaluations, strict=True)))):
        yield from ("", *tops)
    yield from _unknown_lines(names, evaluations)
    yield ""
    for name, evaluation in zip(names[1:], evaluations[1:], strict=True):
        words = difference_words(evaluation["against"], evaluation["n"])
        yield f"{name} against {names[0]}: {words}"
        yield f"  {_only(names[0], name, evaluation['against'])}"


def _unknown_lines(
    names: Sequence[str], evaluations: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What each announces of photos of nothing, and of its labels', where that was measured."""
    if "unknown" not in evaluations[0]:
        return
    unknown = evaluations[0]["unknown"]
    width = max(len(name) for name in names)
    yield ""
    yield (
        f"{'':{width}}  {'announced falsely, of ' + str(unknown['n']) + ' others':33} "
        f"{'rightly':22} area   at a score of"
    )
    for name, evaluation in zip(names, evaluations, strict=True):
        own = evaluation["unknown"]
        yield (
            f"{name:{width}}  {between(own, 'share', '.1%'):33} "
            f"{between(own['known'], 'announced', '.1%'):22} {own['area']:.3f}  "
            f"{own['threshold']:g}"
        )


def _label_notes(names: Sequence[str], evaluations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is said where the models know different labels."""
    if not labels_differ(evaluations):
        return
    known = [set(evaluation["labels"]) for evaluation in evaluations]
    shared = set.intersection(*known)
    yield f"compared on photos of the {len(shared)} labels that all of them know"
    for name, own in zip(names, known, strict=True):
        if more := sorted(own - shared):
            shown = ", ".join(more[:5]) + (f" and {len(more) - 5} more" if len(more) > 5 else "")
            yield f"  {name} also knows {shown}, which is wrong for all of these photos"


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
