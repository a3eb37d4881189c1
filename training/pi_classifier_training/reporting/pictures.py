"""Photos shown in the report: small copies of those named wrongly, and of those that are alike."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import load_image
from pi_classifier_training.data_check.findings import CheckResult, Finding
from pi_classifier_training.evaluation.per_photo import Mistake
from pi_classifier_training.evaluation.per_photo import mistakes as worst_mistakes
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting.subject import Subject

WORST_MISTAKES = 12
# The further ones are folded away, with smaller pictures; the last without any.
PICTURED_MISTAKES = 100
LISTED_MISTAKES = 1000
# Twice the size shown, for sharp screens; about 6 kB each, and 2 kB.
THUMBNAIL_SIDE = 220
SMALL_SIDE = 110
THUMBNAIL_QUALITY = 68
# Photos that belong together: so many groups of a kind, and of each so many photos.
GROUPS = 6
GROUPS_OF_NOTES = 2
PHOTOS_OF_GROUP = 4


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture as a ``data:`` address, its size in pixels and where it is from."""

    address: str
    width: int
    height: int
    name: str


@dataclass(frozen=True, slots=True)
class MistakeCard:
    """A photo named wrongly, beside one that really shows what was given."""

    picture: Thumbnail
    true: str
    given: str
    score: float
    true_score: float
    example: Thumbnail | None


@dataclass(frozen=True, slots=True)
class MistakeRow:
    """One of the further mistakes, with a very small picture or none."""

    name: str
    true: str
    given: str
    score: float
    picture: Thumbnail | None


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The `total` wrong answers on `photos` test photos, those the model was surest of first.

    The worst are `cards`, the next ones `rows`.
    """

    cards: tuple[MistakeCard, ...]
    rows: tuple[MistakeRow, ...]
    total: int
    photos: int


@dataclass(frozen=True, slots=True)
class PhotoGroup:
    """Photos that belong together, side by side; `more` further ones are not shown."""

    pictures: tuple[Thumbnail, ...]
    names: tuple[str, ...]
    more: int


def mistakes(subject: Subject) -> Mistakes:
    """The answers that were wrong."""
    outcomes, labels = subject.chosen.outcomes, subject.chosen.labels
    return Mistakes(
        tuple(mistake_cards(outcomes, labels)),
        tuple(mistake_rows(outcomes, labels)),
        int((~outcomes.right).sum()),
        len(outcomes.photos),
    )


def mistake_cards(outcomes: Outcomes, labels: Sequence[str]) -> list[MistakeCard]:
    """The worst mistakes as pictures, each beside a right one of the label that was given."""
    examples = {label: _surest_right(outcomes, i) for i, label in enumerate(labels)}
    shown: dict[str, int] = {}
    cards = []
    for mistake in worst_mistakes(outcomes, WORST_MISTAKES):
        picture = thumbnail(mistake.photo)
        if picture is None:
            continue
        given = labels[mistake.given]
        right = examples[given]
        # Each time another example, as long as there are any.
        turn = shown.get(given, 0)
        shown[given] = turn + 1
        example = thumbnail(right[turn % len(right)]) if right else None
        cards.append(_card(mistake, labels, picture, example))
    return cards


def mistake_rows(outcomes: Outcomes, labels: Sequence[str]) -> list[MistakeRow]:
    """The mistakes behind the worst ones, as lines of a list of bounded length."""
    further = worst_mistakes(outcomes, LISTED_MISTAKES)[WORST_MISTAKES:]
    return [
        MistakeRow(
            _name(mistake.photo),
            labels[mistake.true],
            labels[mistake.given],
            mistake.score,
            thumbnail(mistake.photo, SMALL_SIDE) if place < PICTURED_MISTAKES else None,
        )
        for place, mistake in enumerate(further, start=WORST_MISTAKES)
    ]


def photo_groups(finding: Finding, checked: CheckResult) -> tuple[PhotoGroup, ...]:
    """What a finding is about as pictures, as far as it can be read: of its first groups."""
    most = GROUPS_OF_NOTES if finding.severity == "note" else GROUPS
    groups = []
    for names in finding.groups[:most]:
        shown = names[:PHOTOS_OF_GROUP]
        pictures = [thumbnail(checked.path_of(name), SMALL_SIDE) for name in shown]
        told = [
            f"{name} ({checked.splits[name]})" if name in checked.splits else name
            for name in shown
        ]
        readable = [(p, name) for p, name in zip(pictures, told, strict=True) if p is not None]
        if readable:
            small, captions = zip(*readable, strict=True)
            groups.append(PhotoGroup(small, captions, len(names) - len(shown)))
    return tuple(groups)


def thumbnail(photo: Path, side: int = THUMBNAIL_SIDE) -> Thumbnail | None:
    """Make a photo small; None when it cannot be read (any more).

    Nothing of the photo's metadata (place, camera) comes along.
    """
    try:
        # A photo need not be decoded whole to become this small.
        picture = Image.fromarray(load_image(photo, min_side=2 * side))
    except ImageError:
        return None
    picture.thumbnail((side, side))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    address = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    return Thumbnail(address, *picture.size, _name(photo))


def _name(photo: Path) -> str:
    return f"{photo.parent.name}/{photo.name}"


def _card(
    mistake: Mistake, labels: Sequence[str], picture: Thumbnail, example: Thumbnail | None
) -> MistakeCard:
    return MistakeCard(
        picture,
        labels[mistake.true],
        labels[mistake.given],
        mistake.score,
        mistake.true_score,
        example,
    )


def _surest_right(outcomes: Outcomes, index: int) -> list[Path]:
    """Up to four photos rightly given label `index`, the surest first."""
    hits = np.flatnonzero(outcomes.right & (outcomes.given == index))
    best = hits[np.argsort(-outcomes.top[hits], kind="stable")][:4]
    return [outcomes.photos[i].path for i in best]
