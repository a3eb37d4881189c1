"""From a run folder and its photos to one page a person reads."""

from __future__ import annotations

import datetime as dt
import glob
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pi_classifier.errors import PiClassifierError
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.setting import setting
from pi_classifier.system.files import write_atomic
from pi_classifier_training.data.dataset import Photo, scan
from pi_classifier_training.data_check.findings import CheckResult
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.evaluate import calibration_curve
from pi_classifier_training.evaluation.labeling import match_labels
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.progress import with_progress
from pi_classifier_training.reporting import contents, figures, words
from pi_classifier_training.reporting.model_files import MeasuredFile, choose, measure_files
from pi_classifier_training.reporting.more_photos import more_photos, published
from pi_classifier_training.reporting.page import (
    Figure,
    Files,
    Mistakes,
    More,
    Page,
    Photos,
    Trust,
    render,
)
from pi_classifier_training.retraining.run_folder import RunFolder

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"
# Beyond so many photos, checking them all would keep a person waiting.
MOST_CHECKED = 20_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What to put in: the learning curve or not, and where its weights and features lie."""

    learning_curve: bool = setting(True, "leave out whether more photos would help: quicker")
    weights: str | None = setting(
        None,
        "published weights for the learning curve, where the run does not tell them",
        metavar="imagenet|FILE",
    )
    cache_dir: str | None = setting(
        None, "folder of the bottleneck cache; 'none' keeps none", metavar="DIR"
    )


def write_report(
    source: Path,
    image_dirs: Sequence[Path],
    output: Path | None = None,
    options: ReportOptions | None = None,
) -> Path:
    """Write the page on a run's folder or on a model file and those made of it.

    It is ``report.html`` in the run's folder, ``<model>-report.html`` beside the model,
    unless `output` says else. Raises TrainingError, ModelError and DatasetError where there is
    no usable model file or no held-out photo; a section that cannot be had is left out, and
    the page says why.
    """
    if source.is_file():
        model = read_model_file(source)
        summary = model_summary(model)
        output = output or source.with_name(f"{source.stem}-{REPORT_FILE}")
        photos = match_labels(scan(image_dirs), model.labels, model.name)
        paths = [source, *sorted(source.parent.glob(f"{glob.escape(source.stem)}-*.tflite"))]
    else:
        summary = RunFolder(source).summary()
        output = output or source / REPORT_FILE
        photos = scan(image_dirs)
        paths = sorted(source.glob("*.tflite"))
    files, messages = measure_files(source, paths, photos)
    for message in messages:
        log.warning("left out: %s", message)
    page = page_of(source, summary, image_dirs, photos, files, options or ReportOptions())
    write_atomic(output, render(page))
    return output


def model_summary(model: ModelFile) -> dict[str, Any]:
    """What a model file says of how it was made, as a run's summary would."""
    details = model.manifest.details
    card = {"name": model.name}
    if model.metadata is not None:
        card["description"] = model.metadata.description
    kept = {key: details[key] for key in ("network", "imported") if key in details}
    return {**details.get("training", {}), **kept, "card": card}


def report_after_training(
    run_dir: Path, image_dirs: Sequence[Path], weights: str, cache_dir: str | None
) -> Iterator[str]:
    """Write the report of a run just trained from `weights`; yield a line on it.

    Whatever goes wrong is a warning: it must not make a finished training fail.
    """
    options = ReportOptions(weights=weights if published(weights) else None, cache_dir=cache_dir)
    try:
        path = write_report(run_dir, image_dirs, options=options)
    except Exception as error:
        log.warning("no report was written: %s", error)
        log.debug("", exc_info=True)
    else:
        yield f"{path}: how good it is; open it in a browser"


def page_of(
    source: Path,
    summary: Mapping[str, Any],
    image_dirs: Sequence[Path],
    photos: Sequence[Photo],
    files: Sequence[MeasuredFile],
    options: ReportOptions,
) -> Page:
    """What to say on a run or model with this `summary` and these measured model files."""
    left_out = LeftOut()
    chosen = choose(files)
    confusion = contents.confusion(chosen.outcomes, chosen.labels)
    more = left_out.unless("more", lambda: _more(source, photos, chosen, options))
    card = summary.get("card", {})
    return Page(
        name=str(card.get("name") or source.resolve().name),
        description=str(card.get("description", "")),
        made=dt.datetime.now(dt.UTC).astimezone().strftime("%d %B %Y, %H:%M"),
        right=round(100 * chosen.test.value),
        accuracy_words=words.accuracy_sentence(chosen.test, len(chosen.outcomes.photos)),
        verdict=(*_verdict(chosen, confusion, more), *_doubt(source)),
        files=_files(files, chosen, left_out),
        confusion=confusion,
        mistakes=_mistakes(chosen),
        more=more,
        trust=_trust(chosen.outcomes),
        photos=Photos(
            _counts(photos),
            left_out.unless("findings", lambda: _data_findings(image_dirs, len(photos))),
        ),
        curves=_curves(summary.get("history", [])),
        settings=tuple(contents.settings(summary)),
        left_out=left_out.reasons,
    )


class LeftOut:
    """Why sections are missing: what cannot be had must not cost the rest of the page."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def unless(self, section: str, make: Callable[[], T]) -> T | None:
        """What `make` returns; None, and the reason noted, where it fails."""
        try:
            return make()
        except (PiClassifierError, ImportError) as error:
            self.reasons[section] = str(error)
            return None


def _verdict(
    chosen: MeasuredFile, confusion: contents.Confusion, more: More | None
) -> tuple[str, ...]:
    sentences = [words.confusion_sentence(confusion.pairs)]
    if more is not None:
        sentences.append(more.result.sentence)
    return (*sentences, words.copy_sentence(chosen.path.name, chosen.size_bytes))


def _doubt(source: Path) -> tuple[str, ...]:
    return (words.SEEN_PERHAPS,) if source.is_file() else ()


def _files(files: Sequence[MeasuredFile], chosen: MeasuredFile, left_out: LeftOut) -> Files:
    from pi_classifier_training.inspection.inspect import inspect_model

    inspected = [left_out.unless("boards", partial(inspect_model, f.path)) for f in files]
    rows = tuple(
        contents.file_row(file, chosen=file is chosen, boards=_boards(summary))
        for file, summary in zip(files, inspected, strict=True)
    )
    boards = tuple(dict.fromkeys(board for row in rows for board in row.boards))
    basis = next((str(i["estimates_basis"]) for i in inspected if i is not None), "")
    return Files(rows, boards, basis, _files_figure(rows))


def _mistakes(chosen: MeasuredFile) -> Mistakes:
    cards = contents.mistake_cards(chosen.outcomes, chosen.labels)
    outcomes = chosen.outcomes
    return Mistakes(tuple(cards), int((~outcomes.right).sum()), len(outcomes.photos))


def _boards(inspected: Mapping[str, Any] | None) -> dict[str, str]:
    """Estimated time on each Raspberry Pi, as text."""
    estimates = [] if inspected is None else inspected["estimates"]
    return {e["board"]: f"{e['low_ms']:.2g}–{e['high_ms']:.2g}" for e in estimates}


def _data_findings(image_dirs: Sequence[Path], photos: int) -> CheckResult:
    from pi_classifier_training.data_check.check import check

    if photos > MOST_CHECKED:
        raise TrainingError(
            f"looking at {photos} photos takes long; 'pi-classifier-train check-data' does it"
        )
    return check(image_dirs, lambda paths: with_progress("checking photos", paths))


def _files_figure(rows: Sequence[contents.FileRow]) -> Figure:
    points = [
        figures.FilePoint(
            row.kind if row.kind in contents.EXPLAINED else "other",
            row.gzip_bytes / 1000,
            (row.accuracy.value, row.accuracy.low, row.accuracy.high),
            row.latency_ms,
            row.chosen,
        )
        for row in rows
    ]
    shows = "; ".join(
        f"{row.name}: {words.kilobytes(row.gzip_bytes)} zipped, {100 * row.accuracy.value:.1f} of "
        f"100 right, {row.latency_ms:.2g} ms"
        for row in rows
    )
    return Figure(figures.files_plot(points), f"Accuracy against size. {shows}.")


def _trust(outcomes: Outcomes) -> Trust:
    error, sentence = contents.trust(outcomes)
    bins = calibration_curve(outcomes)
    listed = "; ".join(f"{100 * s:.0f} %: {100 * r:.0f} % right of {n}" for s, r, n in bins)
    shows = f"Share of right answers by score. {sentence} {listed}."
    return Trust(sentence, error, Figure(figures.calibration(bins), shows))


def _more(
    source: Path, photos: Sequence[Photo], chosen: MeasuredFile, options: ReportOptions
) -> More:
    if not options.learning_curve:
        raise TrainingError("it was not asked for (--no-learning-curve)")
    if source.is_file():
        raise TrainingError(
            f"{source.name} does not come with the training it is from; for a run of retrain "
            "this is measured"
        )
    result = more_photos(source, photos, chosen.test.value, options.weights, options.cache_dir)
    curve = result.curve
    listed = "; ".join(
        f"{n:.0f} photos: {100 * e:.1f} of 100 wrong"
        for n, e in zip(curve.counts, curve.errors, strict=True)
    )
    drawing = figures.learning(curve, result.forecast)
    return More(result, Figure(drawing, f"Learning curve. {listed}."))


def _curves(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    drawing = figures.training_curves(history)
    return None if drawing is None else Figure(drawing, _curves_words(history))


def _curves_words(history: Sequence[Mapping[str, Any]]) -> str:
    validated = [row["validation_accuracy"] for row in history if "validation_accuracy" in row]
    text = f"Course of training over {len(history)} epochs."
    if validated:
        text += f" Right answers on validation photos: {100 * validated[0]:.1f} % first, "
        text += f"{100 * validated[-1]:.1f} % at the end."
    return text


def _counts(photos: Sequence[Photo]) -> tuple[tuple[str, int, int, int], ...]:
    """Each label with its photos for training, validation and test."""
    counts = Counter((photo.label, photo.split) for photo in photos)
    return tuple(
        (label, counts[label, "training"], counts[label, "validation"], counts[label, "test"])
        for label in sorted({photo.label for photo in photos})
    )
