"""The parser of both programs' command lines."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from pi_classifier.errors import EXIT_USAGE
from pi_classifier.masking import masked, masked_address
from pi_classifier.printable import printable

_MISSING = "the following arguments are required"
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
        self._words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None, **options: Any) -> Any:
        """Parse, and return what is not known as well; see argparse.

        The name of a command may be of two words.
        """
        self._complete()
        words = [str(word) for word in (sys.argv[1:] if args is None else args)]
        two = " ".join(words[:2])
        if len(words) > 1 and two in self._choices():
            words[:2] = [two]
        self._words = words
        return super().parse_known_args(words, namespace, **options)

    def format_help(self) -> str:
        """The text of ``--help``."""
        self._complete()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """End the program with exit code 2 and one line."""
        if message.startswith(_MISSING):
            self._explain_missing()
        choice = _CHOICE.search(message)
        if choice is not None:
            message = f"{message}.{_proposal(choice[1], self._choices())}"
        program = self.prog.partition(" ")[0]
        message = masked(printable(message))
        self.exit(EXIT_USAGE, f"{program}: error: {message} (see {self.prog} --help)\n")

    def unknown(self, words: Sequence[str]) -> NoReturn:
        """Complain about arguments that are not known."""
        options = [option for option in self._option_string_actions if option.startswith("--")]
        hints = {_proposal(word.partition("=")[0], options): None for word in words}
        hint = "".join(hints)
        # an address is masked while it is still one word: passwords hold spaces
        shown = " ".join(masked_address(word) if "://" in word else word for word in words)
        self.error(f"unrecognized arguments: {shown}{'.' if hint else ''}{hint}")

    def _explain_missing(self) -> None:
        """A required option that is missing may stand there, misspelled: say that instead."""
        options = self._option_string_actions
        named = [word for word in self._words if word.startswith("--") and len(word) > 2]
        unknown = [word for word in named if word.partition("=")[0] not in options]
        if unknown:
            self.unknown(unknown)

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
