"""Figures: the same bytes for the same figure, text that stays text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.plots import picture_of, require_picture_name


def line(figure: Any) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 2], label="rising")
    axes.legend()


def test_equal_figures_are_equal_bytes_without_a_date() -> None:
    first, second = picture_of(line, (3, 2)), picture_of(line, (3, 2))
    assert first == second
    assert b"<dc:date>" not in first


def test_texts_of_an_svg_stay_texts() -> None:
    assert b">rising</text>" in picture_of(line, (3, 2))


def test_a_png_has_the_size_asked_for() -> None:
    data = picture_of(line, (3, 2), "png")
    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (360, 240)


def test_a_style_holds_for_one_figure_only() -> None:
    plain = picture_of(line, (3, 2))
    assert picture_of(line, (3, 2), style={"lines.linewidth": 7.5}) != plain
    assert picture_of(line, (3, 2)) == plain


def test_another_ending_is_refused_with_those_there_are() -> None:
    with pytest.raises(TrainingError, match=r"a\.pdf: a plot is written as \.svg or \.png"):
        require_picture_name(Path("a.pdf"))
