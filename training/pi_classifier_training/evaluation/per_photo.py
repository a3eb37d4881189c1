"""What a model says of each single photo: for programs, and the mistakes for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pi_classifier_training.evaluation.scoring import Outcomes, Scores, outcomes_of

# The scores of more labels than this are not worth their room.
SHOWN_SCORES = 10


class PhotoAnswers:
    """Gathers an entry for every photo that a model is shown."""

    def __init__(self, labels: Sequence[str], image_dirs: Sequence[Path]) -> None:
        self.entries: list[dict[str, Any]] = []
        self._labels = labels
        self._dirs = image_dirs

    def add(self, scored: Sequence[Scores]) -> None:
        """Take what the only one of the models says of a block of photos."""
        (scores,) = scored
        rejected = scores.unknown
        for i, photo in enumerate(scores.photos):
            row = scores.scores[i]
            best = np.argsort(-row, kind="stable")[:SHOWN_SCORES].tolist()
            given = self._labels[best[0]]
            self.entries.append(
                {
                    "photo": path_within(photo.path, self._dirs),
                    "split": photo.split,
                    "true": photo.label,
                    "given": given,
                    "right": given == photo.label,
                    "scores": {self._labels[k]: round(float(row[k]), 6) for k in best},
                    "unknown": rejected is not None and bool(rejected[i]),
                    "stage": int(scores.stages[i]),
                }
            )


def path_within(photo: Path, image_dirs: Sequence[Path]) -> str:
    """The path of a photo within the folder of photos; the whole path where there are several."""
    if len(image_dirs) == 1 and photo.is_relative_to(image_dirs[0]):
        return str(photo.relative_to(image_dirs[0]))
    return str(photo)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A photo given a wrong label: indices of the true and the given one, both scores."""

    photo: Path
    true: int
    given: int
    score: float
    true_score: float


def mistakes(result: Scores | Outcomes, count: int) -> list[Mistake]:
    """The `count` worst mistakes, those the model was surest of first."""
    outcomes = outcomes_of(result)
    wrong = np.flatnonzero(~outcomes.right)
    worst = wrong[np.argsort(-outcomes.top[wrong], kind="stable")][:count]
    return [
        Mistake(
            outcomes.photos[i].path,
            int(outcomes.truth[i]),
            int(outcomes.given[i]),
            float(outcomes.top[i]),
            float(outcomes.own[i]),
        )
        for i in worst
    ]


def mistake_entries(
    outcomes: Outcomes, labels: Sequence[str], image_dirs: Sequence[Path]
) -> list[dict[str, Any]]:
    """All photos that were given a wrong label, those the model was surest of first."""
    return [
        {
            "photo": path_within(mistake.photo, image_dirs),
            "true": labels[mistake.true],
            "given": labels[mistake.given],
            "score": mistake.score,
            "true_score": mistake.true_score,
        }
        for mistake in mistakes(outcomes, len(outcomes.photos))
    ]


def mistake_lines(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """The lines on all mistakes."""
    wrong = evaluation["mistakes"]
    yield f"  all mistakes: {len(wrong)} of {evaluation['n']} photos, the surest first"
    for entry in wrong:
        yield (
            f"  {entry['score']:.2f} {entry['given']}, but it shows {entry['true']} "
            f"({entry['true_score']:.2f}): {entry['photo']}"
        )
