"""The commands and places that README and guides name are there."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pi_classifier_training.cli
import pytest

from pi_classifier import cli

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|bin/|sudo |sudo -u \S+ )(pi-classifier(?:-train)?) (.+)$")
_INLINE = re.compile(r"`(pi-classifier(?:-train)?) ([^`]+)`")
_LINK = re.compile(r"\]\(([^)#:]+)\)")
_SCRIPT = re.compile(r"scripts/[a-z-]+")


def commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for block in _BLOCK.findall(text):
            for line in block.replace("\\\n", " ").splitlines():
                command = _COMMAND.search(line.split("#")[0].strip())
                if command is not None:
                    found.append((command[1], command[2]))
        found += _INLINE.findall(text)
    return sorted(set(found))


def understood(parser: argparse.ArgumentParser, words: list[str]) -> bool:
    try:
        parser.parse_args(words)
    except SystemExit as ended:
        return ended.code == 0
    return True


@pytest.mark.parametrize(("program", "arguments"), commands())
def test_commands_are_understood(program: str, arguments: str) -> None:
    words = [word for word in shlex.split(arguments) if word != "…"]
    parser = pi_classifier_training.cli.parser() if program.endswith("-train") else cli.parser()
    if len(words) == 1 and not words[0].startswith("-"):
        words.append("--help")  # a command that is only named
    assert understood(parser, words)


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_places_named_are_there(document: Path) -> None:
    text = document.read_text("utf-8")
    missing = [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    missing += [script for script in _SCRIPT.findall(text) if not (ROOT / script).exists()]
    assert missing == []
