"""The page of what is refused: every input on it is made and tried here."""

from __future__ import annotations

import pytest

from tests.refused_files import PAGE, SECTIONS, Answer, Case, answer, page_of

CASES = [(heading, case) for heading, cases in SECTIONS.items() for case in cases()]


@pytest.fixture(scope="module")
def answers() -> list[tuple[str, Case, Answer]]:
    """What the program says to every case; each is asked once."""
    return [(heading, case, answer(case)) for heading, case in CASES]


def test_the_page_is_what_the_program_says(answers: list[tuple[str, Case, Answer]]) -> None:
    assert PAGE.read_text("utf-8") == page_of(answers), "run: python -m tests.refused_files"


def test_all_is_refused_in_words_for_the_one_who_gave_it(
    answers: list[tuple[str, Case, Answer]],
) -> None:
    for _, case, said in answers:
        assert said.code in {1, 2, 65, 75, 78}, case.what
        assert said.sentence, case.what
        assert "Traceback" not in said.sentence, case.what
        assert said.sentence.replace("\n", "").isprintable(), case.what
        assert len(said.sentence) < 600, case.what
