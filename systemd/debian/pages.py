"""Pages of the Debian package that are made from what is written elsewhere.

    pages.py manual VERSION                        pi-classifier(1), from the program's own help
    pages.py changelog VERSION MAINTAINER SECONDS  changelog.Debian, from CHANGELOG.md

Both go to standard output. SECONDS (since 1970) is the date of what is not released yet.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?", re.MULTILINE)
_FILES = {
    "/etc/pi-classifier/config.toml": "what the service does, with remarks; read by every command",
    "~/.config/pi-classifier/config.toml": "your own settings, read after it",
    "/usr/share/pi-classifier/models": "the models that came with the program",
    "/var/lib/pi-classifier/models": "models of your own, for the service",
}
_EXIT_CODES = {
    "0": "all went well",
    "2": "the command line is wrong",
    "65": "a photo cannot be read",
    "70": "a fault of the program itself",
    "74": "the system refused something: disk full, no permission",
    "75": "the camera failed; another try may succeed",
    "78": "the configuration or the model is wrong; the message says what to do",
}


def manual(version: str) -> Iterator[str]:
    """pi-classifier(1) in the language of man(7), line by line."""
    sys.path.insert(0, str(ROOT))
    from pi_classifier.commands.arguments import parser

    top = parser()
    commands = _subparsers(top)
    yield f'.TH PI-CLASSIFIER 1 "" "pi-classifier {version}" "User Commands"'
    yield from (".SH NAME", "pi-classifier \\- say what a camera sees")
    yield from (".SH SYNOPSIS", ".B pi-classifier", "\\fICOMMAND\\fR [\\fIOPTION\\fR...]")
    yield from (".SH DESCRIPTION", _roff(top.description or ""), ".PP", _roff(top.epilog or ""))
    yield from (".SH COMMANDS",)
    for name, command in commands.items():
        yield from (f".SS {_roff(name)}", _roff(command.description or ""))
        yield from _options(command)
    yield ".SH FILES"
    yield from _terms(_FILES)
    yield ".SH EXIT STATUS"
    yield from _terms(_EXIT_CODES)
    yield from (".SH SEE ALSO", ".BR pi-classifier.service (8)")


def _subparsers(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in top._actions:  # noqa: SLF001  argparse has no public way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def _options(command: argparse.ArgumentParser) -> Iterator[str]:
    command.format_help()  # adds the arguments, which is put off until they are needed
    formatter = command._get_formatter()  # noqa: SLF001
    for action in command._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from _nested(action)
        elif action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
            invocation = formatter._format_action_invocation(action)  # noqa: SLF001
            yield from (".TP", f"\\fB{_roff(invocation)}\\fR")
            yield _roff(formatter._expand_help(action) if action.help else "")  # noqa: SLF001


def _nested(action: argparse._SubParsersAction[argparse.ArgumentParser]) -> Iterator[str]:
    for name, command in action.choices.items():
        yield from (".TP", f"\\fB{_roff(name)}\\fR", _roff(command.description or ""))


def _terms(terms: dict[str, str]) -> Iterator[str]:
    for term, meaning in terms.items():
        yield from (".TP", f"\\fB{_roff(term)}\\fR", _roff(meaning))


def _roff(text: str) -> str:
    """Plain text as man(7) takes it: nothing in it is a request or an escape."""
    line = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


def changelog(version: str, maintainer: str, seconds: int) -> Iterator[str]:
    """changelog.Debian: one entry per version of CHANGELOG.md, the newest first."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = list(_HEADING.finditer(text))
    ends = [each.start() for each in headings[1:]] + [len(text)]
    upstream = version.rsplit("-", 1)[0]
    entries = [
        (heading[1], heading[2], text[heading.end() : end])
        for heading, end in zip(headings, ends, strict=True)
    ]
    for number, (name, date, body) in enumerate(entries):
        newest = number == 0
        if not newest and name == upstream:
            continue  # the version that is being built stands at the top already
        when = datetime.fromisoformat(date) if date else datetime.fromtimestamp(seconds, UTC)
        yield f"pi-classifier ({version if newest else f'{name}-1'}) stable; urgency=medium"
        yield ""
        yield from _changes(body)
        yield ""
        yield f" -- {maintainer}  {format_datetime(when.replace(tzinfo=UTC))}"
        yield ""


def _changes(body: str) -> Iterator[str]:
    """The bullets of a section, as a Debian changelog writes them."""
    for bullet in re.split(r"^(?=\s*- )", body, flags=re.MULTILINE):
        words = re.match(r"(\s*)- (.*)", bullet.split("\n###")[0], re.DOTALL)
        if words is not None:
            first = "  * " if len(words[1].strip("\n")) == 0 else "    - "
            yield textwrap.fill(
                " ".join(words[2].split()).replace("`", ""),
                width=78,
                initial_indent=first,
                subsequent_indent=" " * len(first),
                break_long_words=False,
                break_on_hyphens=False,
            )


def main(words: list[str]) -> int:
    """Print the page that is asked for."""
    match words:
        case ["manual", version]:
            lines = manual(version)
        case ["changelog", version, maintainer, seconds]:
            lines = changelog(version, maintainer, int(seconds))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
