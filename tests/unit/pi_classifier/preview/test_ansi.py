"""Pictures made of characters, and the terminal they are shown in."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import termios
from collections.abc import Iterator

import numpy as np
import pytest

from pi_classifier.preview.ansi import (
    TerminalScreen,
    fit_cells,
    render,
    supported_colors,
    text_line,
)
from pi_classifier.types import Box, Detection
from tests.unit.pi_classifier.preview.views import view

RED, BLUE = (255, 0, 0), (0, 0, 255)


def stripes(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.repeat(np.array(colors, np.uint8)[:, None, :], 2, axis=1)


def test_half_blocks_carry_two_pixels_a_cell_and_write_a_color_once() -> None:
    (line,) = render(stripes(RED, BLUE), 1, 2, "24-bit", halves=True)
    assert line == "\x1b[38;2;252;4;4m\x1b[48;2;4;4;252m▀▀\x1b[0m"


def test_256_colors_are_the_nearest_of_the_cube() -> None:
    (line,) = render(stripes(RED, BLUE), 1, 2, "256", halves=True)
    assert line == "\x1b[38;5;196m\x1b[48;5;21m▀▀\x1b[0m"
    for value, level in ((0, 16), (47, 16), (48, 59), (115, 102), (255, 231)):
        (line,) = render(stripes((value,) * 3), 1, 1, "256", halves=False)
        assert line == f"\x1b[48;5;{level}m \x1b[0m"


def test_without_half_blocks_a_cell_is_one_color() -> None:
    assert render(stripes(RED, RED), 1, 2, "24-bit", halves=False) == [
        "\x1b[48;2;252;4;4m  \x1b[0m"
    ]


def test_without_colors_there_are_shades_of_ink() -> None:
    shades = [render(stripes((v,) * 3), 1, 1, "none", halves=True)[0] for v in (0, 128, 255)]
    assert shades == [" ", "+", "@"]


@pytest.mark.parametrize(
    ("environment", "colors"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "24-bit"),
        ({"TERM": "xterm-direct"}, "24-bit"),
        ({"TERM": "screen-256color"}, "256"),
        ({"TERM": "linux"}, "none"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "none"),
        ({}, "none"),
    ],
)
def test_colors_a_terminal_has(environment: dict[str, str], colors: str) -> None:
    assert supported_colors(environment) == colors


@pytest.mark.parametrize(
    ("room", "expected"),
    [((20, 80), (20, 53)), ((40, 80), (30, 80)), ((1, 1), (1, 1)), ((100, 4), (2, 4))],
)
def test_the_picture_keeps_its_shape_in_cells(
    room: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fit_cells(480, 640, *room) == expected


def test_a_line_of_text() -> None:
    assert text_line(view(12)) == "1.2 s: daisy (daisy 0.75, rose 0.20)"
    assert text_line(view(0, (), None)) == "0.0 s: nothing I know (not classified)"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal of 80 by 24: the end a person reads, and the end the program writes to."""
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    yield reader, writer
    os.close(writer)
    os.close(reader)


def read_until(reader: int, end: str) -> str:
    text = ""
    while end not in text:
        ready, _, _ = select.select([reader], [], [], 10.0)
        assert ready, text
        text += os.read(reader, 65536).decode()
    return text


def test_the_screen_writes_changed_lines_alone_and_restores_the_terminal(
    terminal: tuple[int, int],
) -> None:
    reader, writer = terminal
    caption = "Ctrl-C ends it"
    with TerminalScreen(writer, {"TERM": "linux"}, "ascii", caption) as screen:
        screen.show(view(1))
        drawn = read_until(reader, caption)
        screen.show(view(2, decided=None))
    redrawn = read_until(reader, "\x1b[?1049l")
    assert drawn.startswith("\x1b[?1049h")
    assert "I see daisy" in drawn
    assert f"0.75 {'#' * 15:20} daisy" in drawn
    assert "I see nothing I know" in redrawn
    assert "daisy" not in redrawn
    assert caption not in redrawn


@pytest.mark.parametrize("boxes", [(), ((0.25, 0.25, 0.5, 0.5),)])
def test_what_is_seen_is_framed(terminal: tuple[int, int], boxes: tuple[Box, ...]) -> None:
    reader, writer = terminal
    seen = tuple(Detection("daisy", 0.9, box) for box in boxes)
    with TerminalScreen(writer, {"TERM": "linux"}, "ascii", "the end") as screen:
        screen.show(view(size=(480, 640), detections=seen))
        drawn = read_until(reader, "the end")
    picture = drawn.partition("I see")[0].rpartition("\x1b[2J")[2]
    inks = {letter for row in re.findall(r"\x1b\[\d+;1H([^\x1b]*)", picture) for letter in row}
    assert (len(inks) > 1) == bool(boxes)
