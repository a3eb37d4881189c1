"""The page itself: a frame around sections, everything inside one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pi_classifier_training.evaluation.announcing import of_100
from pi_classifier_training.reporting import words

TEMPLATE = "page.html.j2"


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing (SVG text made by `figures`, nothing else) and what it shows in words."""

    svg: str
    shows: str


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A part of the page under a title of its own, which the contents list names.

    `template` is a file in ``parts/`` that shows `content` under that name; where there is no
    `content`, `missing` says why, and stands there instead.
    """

    anchor: str
    title: str
    template: str
    content: object = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """What stands at the top: `right` of 100 dots are filled, `first` is the verdict itself.

    `in_short` are the few lines that a terminal shows instead.
    """

    right: int
    first: str
    sentences: Sequence[str]
    in_short: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All that stands on the page."""

    name: str
    description: str
    made: str
    headline: Headline
    sections: Sequence[Section]


def render(page: Page) -> bytes:
    """Fill in the templates. Every text is escaped; only the drawings are put in as they are."""
    text: str = _template().render(page=page)
    # A file's name may hold bytes that are no text at all.
    return text.encode("utf-8", "backslashreplace")


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("parts")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kilobytes"] = words.kilobytes
    environment.filters["of_100"] = of_100
    return environment.get_template(TEMPLATE)
