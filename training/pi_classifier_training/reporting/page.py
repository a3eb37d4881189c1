"""The page itself: a template filled in, everything inside one file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pi_classifier_training.data_check.findings import CheckResult
from pi_classifier_training.reporting import words
from pi_classifier_training.reporting.contents import Confusion, FileRow, MistakeCard
from pi_classifier_training.reporting.more_photos import MorePhotos

TEMPLATE = "page.html.j2"


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing (SVG text made by `figures`, nothing else) and what it shows in words."""

    svg: str
    shows: str


@dataclass(frozen=True, slots=True)
class Files:
    """The model files; `boards` are the Raspberry Pis with estimated times."""

    rows: tuple[FileRow, ...]
    boards: tuple[str, ...]
    basis: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The worst of `total` wrong answers on `photos` test photos."""

    cards: tuple[MistakeCard, ...]
    total: int
    photos: int


@dataclass(frozen=True, slots=True, eq=False)
class More:
    """Whether more photos would help."""

    result: MorePhotos
    figure: Figure


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the scores can be believed."""

    sentence: str
    calibration_error: float
    figure: Figure


@dataclass(frozen=True, slots=True)
class Photos:
    """Photos of each label for training, validation and test; what the check found."""

    counts: tuple[tuple[str, int, int, int], ...]
    findings: CheckResult | None


@dataclass(frozen=True, slots=True)
class Page:
    """All that stands on the page; a section is None where there is nothing to say.

    `right` is the number of right answers in 100, `left_out` maps a section to why it is
    missing, `settings` are pairs of words.
    """

    name: str
    description: str
    made: str
    right: int
    accuracy_words: str
    verdict: tuple[str, ...]
    files: Files
    confusion: Confusion
    mistakes: Mistakes
    more: More | None
    trust: Trust
    photos: Photos
    curves: Figure | None
    settings: tuple[tuple[str, str], ...]
    left_out: dict[str, str]


def render(page: Page) -> bytes:
    """Fill in the template. Every text is escaped; only the drawings are put in as they are."""
    text: str = _template().render(page=page)
    # A file's name may hold bytes that are no text at all.
    return text.encode("utf-8", "backslashreplace")


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kilobytes"] = words.kilobytes
    environment.filters["of_100"] = words.of_100
    return environment.get_template(TEMPLATE)
