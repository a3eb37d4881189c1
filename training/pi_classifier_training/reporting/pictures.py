"""Photos shown in the report: small copies of those that were named wrongly."""

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
from pi_classifier_training.evaluation.evaluate import Mistake
from pi_classifier_training.evaluation.evaluate import mistakes as worst_mistakes
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting.subject import Subject

WORST_MISTAKES = 12
# Twice the size shown, for sharp screens; about 6 kB each.
THUMBNAIL_SIDE = 220
THUMBNAIL_QUALITY = 68
# A photo need not be decoded whole to become this small.
DECODED_SIDE = 2 * THUMBNAIL_SIDE


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
class Mistakes:
    """The worst of `total` wrong answers on `photos` test photos."""

    cards: tuple[MistakeCard, ...]
    total: int
    photos: int


def mistakes(subject: Subject) -> Mistakes:
    """The answers that were wrong though the model was sure of them."""
    outcomes = subject.chosen.outcomes
    cards = mistake_cards(outcomes, subject.chosen.labels)
    return Mistakes(tuple(cards), int((~outcomes.right).sum()), len(outcomes.photos))


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


def thumbnail(photo: Path) -> Thumbnail | None:
    """Make a photo small; None when it cannot be read (any more).

    Nothing of the photo's metadata (place, camera) comes along.
    """
    try:
        picture = Image.fromarray(load_image(photo, min_side=DECODED_SIDE))
    except ImageError:
        return None
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    address = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    return Thumbnail(address, *picture.size, f"{photo.parent.name}/{photo.name}")


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
