"""What a model would say aloud of photos, as numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pi_classifier.decision import SmootherSettings
from pi_classifier_training.evaluation.metrics import (
    Accuracy,
    Announcements,
    announcements,
    wilson,
)
from pi_classifier_training.evaluation.scoring import Outcomes


def announced(
    outcomes: Outcomes,
    labels: Sequence[str],
    silent_labels: Sequence[str],
    threshold: float,
    *,
    of_silent: bool = False,
) -> Announcements:
    """What would be said, photo by photo, of those that show a label.

    With `of_silent` of those instead that show a silent one, of which nothing should be.
    """
    silent = [labels.index(label) for label in silent_labels]
    rows = np.isin(outcomes.truth, silent) == of_silent
    # Whatever its score, a frame unlike every label is answered by silence.
    scores = outcomes.threshold_score[rows]
    return announcements(outcomes.truth[rows], outcomes.given[rows], scores, threshold, silent)


def announcing_sentences(
    outcomes: Outcomes, labels: Sequence[str], silent_labels: Sequence[str], threshold: float
) -> Iterator[str]:
    """What guessing would get, how often it will speak, and how often where it should not."""
    shown = np.bincount(outcomes.truth, minlength=len(labels))
    commonest = int(shown.argmax())
    accuracy = wilson(int(outcomes.right.sum()), len(outcomes.photos))
    label, alone = labels[commonest], int((shown == shown.max()).sum()) == 1
    yield guessing_sentence(accuracy, label, float(shown.max() / shown.sum()), alone=alone)
    if (said := announced(outcomes, labels, silent_labels, threshold)).n:
        yield speaking_sentence(said, SmootherSettings().patience)
    if (said := announced(outcomes, labels, silent_labels, threshold, of_silent=True)).n:
        yield silence_sentence(said, silent_labels)


def of_100(share: float) -> str:
    """A share as whole photos of 100; a nearly perfect one is not rounded to all."""
    whole = round(100 * share)
    if whole == 100 and share < 1:
        return "more than 99"
    if whole == 0 and share > 0:
        return "less than 1"
    return str(whole)


def guessing_sentence(accuracy: Accuracy, label: str, share: float, *, alone: bool = True) -> str:
    """What always saying `label`, which a share of the photos shows, would get.

    It is the commonest of all, `alone` or with others that are as common.
    """
    if share >= 1:
        return f"All these photos show “{label}”: what it makes of others is not known."
    guessed = f"always saying “{label}”" + (", the commonest label," if alone else "")
    guessed += f" would be right {of_100(share)} times"
    if accuracy.low > share:
        return f"Guessing is worse: {guessed} in 100."
    return f"That is not clearly better than guessing: {guessed} in 100."


def speaking_sentence(said: Announcements, patience: int) -> str:
    """How often it will speak of the photos of its labels, and how often wrongly."""
    if said.named == 0:
        return (
            f"It will hardly ever speak: for none of the {counted(said.n)} its score reached "
            f"{said.threshold:g}, from which on it may."
        )
    text = f"It speaks from a score of {said.threshold:g} on: of 100 such photos it names "
    text += f"{_of_100_or_all(said.named, said.n)}, {_none_or(said.wrong, said.n)} of them wrongly"
    if said.named < said.n:
        text += ", and keeps silent about the others"
    text += ". That counts single pictures"
    if patience > 1:
        text += f"; in use {patience} in a row must agree, so that a single mistake is not heard"
    return f"{text}."


def silence_sentence(said: Announcements, labels: Sequence[str]) -> str:
    """How often it speaks where it should be silent: of photos of its silent labels."""
    listed = " or ".join(f"“{label}”" for label in labels)
    return (
        f"Of 100 photos of {listed}, about which it should be silent, it names "
        f"{_none_or(said.named, said.n)} (measured on {said.n})."
    )


def _none_or(part: int, n: int) -> str:
    return of_100(part / n) if part else "none"


def _of_100_or_all(part: int, n: int) -> str:
    return "all" if part == n else of_100(part / n)


def counted(n: int) -> str:
    """A number of photos: ``1 photo``, ``2 photos``."""
    return "1 photo" if n == 1 else f"{n} photos"
