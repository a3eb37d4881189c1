"""From a run folder and its photos to one page a person reads: which sections it has."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import PiClassifierError
from pi_classifier.system.files import write_atomic
from pi_classifier_training.reporting import (
    contents,
    file_table,
    more_photos,
    photo_state,
    pictures,
    words,
)
from pi_classifier_training.reporting.page import Headline, Page, Section, render
from pi_classifier_training.reporting.subject import ReportOptions, Subject, read_subject

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Outline:
    """A section to be written: `contents` makes what its template in ``parts/`` shows.

    `contents` raises a PiClassifierError, whose text ends a sentence, where it cannot be had.
    """

    anchor: str
    title: str
    template: str
    contents: Callable[[Subject], object]

    def filled(self, subject: Subject) -> Section:
        """The section on `subject`: what cannot be had must not cost the rest of the page."""
        content, missing = None, ""
        try:
            content = self.contents(subject)
        except (PiClassifierError, ImportError) as error:
            missing = str(error)
        return Section(self.anchor, self.title, self.template, content, missing)


SECTIONS = (
    Outline("copy", "Which file to copy?", "files.html.j2", file_table.files),
    Outline("confusion", "What does it confuse?", "confusion.html.j2", contents.confusion),
    Outline("mistakes", "The worst mistakes", "mistakes.html.j2", pictures.mistakes),
    Outline("more", "Would more photos help?", "more_photos.html.j2", more_photos.more),
    Outline("trust", "Can its scores be believed?", "trust.html.j2", contents.trust),
    Outline("photos", "Are the photos in good order?", "photos.html.j2", photo_state.photos),
    Outline("training", "How training went", "course.html.j2", contents.course),
    Outline("made", "How this was made", "settings.html.j2", contents.settings),
)


def write_report(
    source: Path,
    image_dirs: Sequence[Path],
    output: Path | None = None,
    options: ReportOptions | None = None,
    first: Sequence[Section] = (),
) -> Path:
    """Write the page on a run's folder or on a model file and those made of it.

    It is ``report.html`` in the run's folder, ``<model>-report.html`` beside the model,
    unless `output` says else. The sections `first` stand before all others: what a caller has
    to say of how the model was chosen. Raises TrainingError, ModelError and DatasetError where
    there is no usable model file or no held-out photo; a section that cannot be had is left
    out, and the page says why.
    """
    subject = read_subject(source, image_dirs, options or ReportOptions())
    beside = source / REPORT_FILE
    if source.is_file():
        beside = source.with_name(f"{source.stem}-{REPORT_FILE}")
    output = output or beside
    write_atomic(output, render(page_of(subject, first)))
    return output


def report_after_training(
    run_dir: Path, image_dirs: Sequence[Path], weights: str, cache_dir: str | None
) -> Iterator[str]:
    """Write the report of a run just trained from `weights`; yield a line on it.

    Whatever goes wrong is a warning: it must not make a finished training fail.
    """
    known = weights if more_photos.published(weights) else None
    options = ReportOptions(weights=known, cache_dir=cache_dir)
    try:
        path = write_report(run_dir, image_dirs, options=options)
    except Exception as error:
        log.warning("no report was written: %s", error)
        log.debug("", exc_info=True)
    else:
        yield f"{path}: how good it is; open it in a browser"


def page_of(subject: Subject, first: Sequence[Section] = ()) -> Page:
    """The page on `subject`: the verdict, the sections `first`, then all of `SECTIONS`."""
    sections = [outline.filled(subject) for outline in SECTIONS]
    return Page(
        name=subject.name,
        description=subject.description,
        made=dt.datetime.now(dt.UTC).astimezone().strftime("%d %B %Y, %H:%M"),
        headline=_headline(subject, {section.anchor: section.content for section in sections}),
        sections=(*first, *sections),
    )


def _headline(subject: Subject, found: dict[str, object]) -> Headline:
    chosen = subject.chosen
    sentences = []
    if isinstance(confusion := found["confusion"], contents.Confusion):
        sentences.append(words.confusion_sentence(confusion.pairs))
    if isinstance(more := found["more"], more_photos.More):
        sentences.append(more.result.sentence)
    sentences.append(words.copy_sentence(chosen.path.name, chosen.size_bytes))
    if not subject.is_run:
        sentences.append(words.SEEN_PERHAPS)
    return Headline(
        round(100 * chosen.test.value),
        words.accuracy_sentence(chosen.test, len(chosen.outcomes.photos)),
        sentences,
    )
