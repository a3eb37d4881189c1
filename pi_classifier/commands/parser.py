"""The parser of both programs' command lines."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from pi_classifier.errors import EXIT_USAGE
from pi_classifier.masking import masked

_CHOICE = re.compile(r"invalid choice: '([^']*)'")


class Parser(argparse.ArgumentParser):
    """An argument parser that proposes what an unknown word may have meant.

    `describe` adds the arguments of a command; it is called when they are first needed,
    so that a program of many commands imports only what the one in use is made of.
    """

    def __init__(
        self, *args: Any, describe: Callable[[Parser], None] | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})
        self._describe = describe

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        """Parse, and return what is not known as well; see argparse."""
        self._complete()
        return super().parse_known_args(*args, **options)

    def format_help(self) -> str:
        """The text of ``--help``."""
        self._complete()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """End the program with exit code 2 and one line."""
        choice = _CHOICE.search(message)
        if choice is not None:
            message = f"{message}.{_proposal(choice[1], self._choices())}"
        program = self.prog.partition(" ")[0]
        self.exit(EXIT_USAGE, f"{program}: error: {masked(message)} (see {self.prog} --help)\n")

    def unknown(self, words: Sequence[str]) -> NoReturn:
        """Complain about arguments that are not known."""
        options = [option for option in self._option_string_actions if option.startswith("--")]
        hints = {_proposal(word.partition("=")[0], options): None for word in words}
        hint = "".join(hints)
        self.error(f"unrecognized arguments: {' '.join(words)}{'.' if hint else ''}{hint}")

    def _complete(self) -> None:
        describe, self._describe = self._describe, None
        if describe is not None:
            describe(self)

    def _choices(self) -> list[str]:
        # argparse has no public way to ask for its arguments
        return [str(choice) for action in self._actions for choice in action.choices or ()]


def _proposal(word: str, known: Iterable[str]) -> str:
    from pi_classifier.suggest import suggestion

    return suggestion(word, known)
