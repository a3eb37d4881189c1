"""The commands, places and modules that README and guides name are there; indexes are whole."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pi_classifier_training.cli
import pytest

from pi_classifier.commands import arguments as device

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / "training" / "README.md", ROOT / "systemd" / "README.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
]
DECISIONS = ROOT / "docs" / "decisions"
RECORDS = sorted(DECISIONS.glob("0*.md"))
PYTHON_FILES = [
    f"/{path.relative_to(ROOT).as_posix()}"
    for folder in ("pi_classifier", "training", "benchmarks", "tests", "systemd", "requirements")
    for path in (ROOT / folder).rglob("*.py")
]
_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|bin/|sudo |sudo -u \S+ )(pi-classifier(?:-train)?) (.+)$")
_INLINE = re.compile(r"`(pi-classifier(?:-train)?) ([^`]+)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_ANCHOR = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MODULE = re.compile(r"`([\w/{},]+\.py)`")
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
    parser = pi_classifier_training.cli.parser() if program.endswith("-train") else device.parser()
    if len(words) == 1 and not words[0].startswith("-"):
        words.append("--help")  # a command that is only named
    assert understood(parser, words)


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 10


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    texts = _HEADING.findall(document.read_text("utf-8"))
    headings = (re.sub(r"[^\w\- ]", "", text.lower()) for text in texts)
    return {heading.strip().replace(" ", "-") for heading in headings}


def path_in_docs(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=path_in_docs)
def test_places_named_are_there(document: Path) -> None:
    text = document.read_text("utf-8")
    missing = [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    missing += [script for script in _SCRIPT.findall(text) if not (ROOT / script).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=path_in_docs)
def test_places_within_pages_are_there(document: Path) -> None:
    for link, anchor in _ANCHOR.findall(document.read_text("utf-8")):
        target = document.parent / link if link else document
        assert anchor in anchors(target), (link, anchor)


@pytest.mark.parametrize("document", DOCUMENTS, ids=path_in_docs)
def test_modules_named_are_there(document: Path) -> None:
    named = _MODULE.findall(document.read_text("utf-8"))
    assert [
        name for name in named if not any(path.endswith(f"/{name}") for path in PYTHON_FILES)
    ] == []


def links(index: Path) -> set[Path]:
    """The pages that an index leads to."""
    found = _LINK.findall(index.read_text("utf-8"))
    return {(index.parent / link).resolve() for link in found if link.endswith(".md")}


def test_every_page_is_in_the_index_of_its_folder() -> None:
    top = ROOT / "docs" / "README.md"
    for folder in (top.parent, *{page.parent for page in top.parent.glob("*/*.md")}):
        index = top if folder.name == "reference" else folder / "README.md"
        assert set(folder.glob("*.md")) - {index} <= links(index), folder.name


def test_every_folder_s_index_is_in_the_index() -> None:
    indexes = set((ROOT / "docs").glob("*/README.md"))
    assert indexes <= links(ROOT / "docs" / "README.md")
    assert ROOT / "docs" / "README.md" in links(ROOT / "README.md")


def test_decisions_are_listed_by_their_titles_in_order() -> None:
    index = (DECISIONS / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[(\d{4}: [^]]+)\]\((\d{4}-[^)]+)\) \|", index, re.MULTILINE)
    headings = [path.read_text("utf-8").splitlines()[0].removeprefix("# ") for path in RECORDS]
    assert listed == list(zip(headings, (path.name for path in RECORDS), strict=True))


def test_every_decision_has_a_status() -> None:
    for line in (DECISIONS / "README.md").read_text("utf-8").splitlines():
        if line.startswith("| [0"):
            status = line.strip("| ").split(" | ")[1]
            assert re.match(r"in force|superseded by \[", status), line


@pytest.mark.parametrize("record", RECORDS, ids=path_in_docs)
def test_a_record_is_about_a_screen_long(record: Path) -> None:
    assert len(record.read_text("utf-8").splitlines()) <= 75
