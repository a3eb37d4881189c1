"""How the zoo's page writes paragraphs, rows of a table, commands and figures in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pi_classifier_training.evaluation.boards import BoardCost, board_cost
from pi_classifier_training.evaluation.metrics import Accuracy
from pi_classifier_training.networks.spec import NetworkSpec

NONE = "–"
_COLUMNS = 110


def paragraph(text: str) -> Iterator[str]:
    """The lines of a paragraph and the empty one after it."""
    yield from textwrap.wrap(text, _COLUMNS, break_long_words=False, break_on_hyphens=False)
    yield ""


def row(*cells: str) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def command(words: str) -> str:
    """A command in lines that the shell joins, each option beside its value."""
    line, *options = words.split(" --")
    lines = []
    for option in options:
        if len(line) + len(option) > _COLUMNS - 8:
            lines.append(line)
            line = f"--{option}"
        else:
            line += f" --{option}"
    return " \\\n    ".join([*lines, line])


def percent(share: Accuracy) -> str:
    """A share with its interval, in percent."""
    return f"{100 * share.value:.1f} ({100 * share.low:.1f}–{100 * share.high:.1f})"


def kb(size_bytes: int) -> str:
    """A size in kB."""
    return f"{size_bytes / 1000:.0f}"


def cost(network: NetworkSpec, board: str = "zero-2-w") -> BoardCost:
    """What the int8 file of a network costs on a board, which `inspect` calls so."""
    return board_cost(network, board)


def ms(network: NetworkSpec, board: str, to: str = "–") -> str:
    """The estimated milliseconds for a picture, from the fast to the slow end."""
    times = cost(network, board)
    return f"{_short(times.low_ms)}{to}{_short(times.high_ms)}"


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 1 else f"{milliseconds:.1f}"
