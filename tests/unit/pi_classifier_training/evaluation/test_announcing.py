"""What a model would say aloud: counted by the daemon's rule, and told in true words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pi_classifier_training.evaluation.announcing import (
    announced,
    announcing_sentences,
    guessing_sentence,
    silence_sentence,
    speaking_sentence,
)
from pi_classifier_training.evaluation.metrics import Accuracy, Announcements

from tests.unit.pi_classifier_training.outcomes import outcomes_with


def accuracy(low: float) -> Accuracy:
    return Accuracy((low + 1) / 2, low, 1.0)


@pytest.mark.parametrize(
    ("low", "share", "said"),
    [
        (0.82, 0.26, "Guessing is worse: always saying “tulips”, the commonest label, would be"),
        (0.26, 0.26, "That is not clearly better than guessing: always saying “tulips”"),
        (0.26001, 0.26, "Guessing is worse"),
        (0.82, 1.0, "All these photos show “tulips”: what it makes of others is not known."),
    ],
)
def test_what_guessing_would_get(low: float, share: float, said: str) -> None:
    sentence = guessing_sentence(accuracy(low), "tulips", share)
    assert sentence.startswith(said)
    assert ("be right 26 times in 100." in sentence) == (share < 1)


def test_of_labels_that_are_equally_common_none_is_called_the_commonest() -> None:
    even = outcomes_with([0.9] * 4, [True] * 4, given=[0, 0, 1, 1])
    assert next(announcing_sentences(even, ("a", "b"), (), 0.7)) == (
        "Guessing is worse: always saying “a” would be right 50 times in 100."
    )
    most = outcomes_with([0.9] * 5, [True] * 5, given=[0, 0, 1, 1, 1])
    assert "“b”, the commonest label, would" in next(
        announcing_sentences(most, ("a", "b"), (), 0.7)
    )


@pytest.mark.parametrize(
    ("named", "wrong", "said"),
    [
        (132, 2, "of 100 such photos it names 66, 1 of them wrongly, and keeps silent about the"),
        (200, 0, "of 100 such photos it names all, none of them wrongly. That counts"),
        (199, 199, "it names more than 99, more than 99 of them wrongly, and keeps silent"),
        (1, 0, "it names less than 1, none of them wrongly, and keeps silent about the others."),
        (0, 0, "hardly ever speak: for none of the 200 photos its score reached 0.7, from which"),
    ],
)
def test_how_often_it_speaks(named: int, wrong: int, said: str) -> None:
    assert said in speaking_sentence(Announcements(200, named, wrong, 0.7), 3)


def test_single_mistakes_are_heard_where_one_picture_is_enough() -> None:
    said = Announcements(1, 1, 1, 0.55)
    assert speaking_sentence(said, 2) == (
        "It speaks from a score of 0.55 on: of 100 such photos it names all, 100 of them wrongly. "
        "That counts single pictures; in use 2 in a row must agree, so that a single mistake is "
        "not heard."
    )
    assert speaking_sentence(said, 1).endswith("That counts single pictures.")


def test_how_often_it_speaks_where_it_should_be_silent() -> None:
    said = Announcements(60, 3, 3, 0.7)
    assert silence_sentence(said, ("background", "none")) == (
        "Of 100 photos of “background” or “none”, about which it should be silent, it names 5 "
        "(measured on 60)."
    )
    assert "it names none (" in silence_sentence(Announcements(60, 0, 0, 0.7), ("none",))


class TestCounting:
    """Two photos of label 0 and three of label 1, one of these named 0."""

    LABELS = ("background", "roses")
    OUTCOMES = outcomes_with(
        [0.9, 0.9, 0.9, 0.5, 0.8], [True, True, True, True, False], given=[0, 0, 1, 1, 0]
    )

    def test_photos_of_silent_labels_are_counted_apart(self) -> None:
        own = announced(self.OUTCOMES, self.LABELS, ("background",), 0.7)
        # The third rose is taken for background, which is never said.
        assert (own.n, own.named, own.wrong) == (3, 1, 0)
        other = announced(self.OUTCOMES, self.LABELS, ("background",), 0.7, of_silent=True)
        assert (other.n, other.named) == (2, 0)

    def test_without_silent_labels_every_photo_counts(self) -> None:
        said = announced(self.OUTCOMES, self.LABELS, (), 0.7)
        assert (said.n, said.named, said.wrong) == (5, 4, 1)
        assert announced(self.OUTCOMES, self.LABELS, (), 0.7, of_silent=True).n == 0

    def test_unknown_frames_are_not_announced_even_from_a_score_of_0(self) -> None:
        unknown = replace(self.OUTCOMES, unknown=np.array([True, False, True, False, True]))
        said = announced(unknown, self.LABELS, (), 0.0)
        assert (said.named, said.wrong) == (2, 0)

    def test_there_is_a_sentence_for_each_kind_of_photos(self) -> None:
        said = list(announcing_sentences(self.OUTCOMES, self.LABELS, ("background",), 0.7))
        assert ["always saying “roses”" in said[0], "names 33" in said[1]] == [True, True]
        assert "about which it should be silent, it names none" in said[2]
        assert len(list(announcing_sentences(self.OUTCOMES, self.LABELS, (), 0.7))) == 2
