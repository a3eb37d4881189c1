"""From a run folder and its photos to one page a person reads: which sections it has."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import PiClassifierError
from pi_classifier.system.files import write_atomic
from pi_classifier_training.progress import working
from pi_classifier_training.reporting import (
    contents,
    file_table,
    more_photos,
    never_seen,
    photo_state,
    pictures,
    verdict,
)
from pi_classifier_training.reporting.advice import Advice, advice
from pi_classifier_training.reporting.page import Page, Section, render
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
    Outline("mistakes", "What did it get wrong?", "mistakes.html.j2", pictures.mistakes),
    Outline(
        "unseen",
        "What will it say to things it has never seen?",
        "never_seen.html.j2",
        never_seen.never_seen,
    ),
    Outline("more", "Would more photos help?", "more_photos.html.j2", more_photos.more),
    Outline("trust", "Can its scores be believed?", "trust.html.j2", contents.trust),
    Outline("photos", "Are the photos in good order?", "photos.html.j2", photo_state.photos),
    Outline("training", "How training went", "course.html.j2", contents.course),
    Outline("made", "How this was made", "settings.html.j2", contents.settings),
)


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where the page is, and the few lines for a terminal that say the same in short."""

    path: Path
    in_short: tuple[str, ...]


def write_report(
    source: Path,
    image_dirs: Sequence[Path],
    output: Path | None = None,
    options: ReportOptions | None = None,
    first: Sequence[Section] = (),
) -> WrittenReport:
    """Write the page on a run's folder or on a model file and those made of it.

    It is ``report.html`` in the run's folder, ``<model>-report.html`` beside the model,
    unless `output` says else. The sections `first` stand before all others: what a caller has
    to say of how the model was chosen. Raises TrainingError, ModelError and DatasetError where
    there is no usable model file or no held-out photo; a section that cannot be had is left
    out, and the page says why.
    """
    with working("writing the report"):
        subject = read_subject(source, image_dirs, options or ReportOptions())
        page = page_of(subject, first)
    beside = source / REPORT_FILE
    if source.is_file():
        beside = source.with_name(f"{source.stem}-{REPORT_FILE}")
    output = output or beside
    write_atomic(output, render(page))
    return WrittenReport(output, page.headline.in_short)


def report_after_training(
    run_dir: Path, image_dirs: Sequence[Path], weights: str, cache_dir: str | None
) -> Iterator[str]:
    """Write the report of a run just trained from `weights`; yield what it says in short."""
    known = weights if more_photos.published(weights) else None
    return report_lines(
        run_dir, image_dirs, options=ReportOptions(weights=known, cache_dir=cache_dir)
    )


def report_lines(
    source: Path,
    image_dirs: Sequence[Path],
    output: Path | None = None,
    options: ReportOptions | None = None,
    first: Sequence[Section] = (),
) -> Iterator[str]:
    """Write the page as `write_report` does; yield what it says in short.

    Whatever goes wrong is a warning: it must not make finished work fail.
    """
    try:
        report = write_report(source, image_dirs, output, options, first)
    except Exception as error:
        log.warning("no report was written: %s", error)
        log.debug("", exc_info=True)
    else:
        yield ""
        yield from report.in_short
        yield f"All of it, with pictures: {report.path} (open it in a browser)"


def page_of(subject: Subject, first: Sequence[Section] = ()) -> Page:
    """The page on `subject`: the verdict, the sections `first`, then all others."""
    sections = [outline.filled(subject) for outline in SECTIONS]
    contents_of = {section.anchor: section.content for section in sections}
    steps = advice(subject, contents_of)
    sections.insert(1, _help(steps))
    return Page(
        name=subject.name,
        description=subject.description,
        made=dt.datetime.now(dt.UTC).astimezone().strftime("%d %B %Y, %H:%M"),
        headline=verdict.headline(subject, contents_of, steps),
        sections=(*first, *sections),
    )


def _help(steps: tuple[Advice, ...]) -> Section:
    missing = "" if steps else "nothing is known that would bring half a photo in 100 or more"
    return Section("help", "What would help most?", "advice.html.j2", steps, missing)
