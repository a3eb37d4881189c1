"""Label files: one label a line, in output order, plain or numbered."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeGuard

from pi_classifier.errors import ModelFileError, ModelMismatch, is_the_machines
from pi_classifier.printable import is_visible, printable
from pi_classifier.system.files import read_regular_file

# The name of label files, in the archive of a model file and beside one.
LABELS_NAME = "labels.txt"
# What people call the pictures of nothing: labels that a model gives, and nobody wants told.
_SILENT = {"background", "empty", "none", "nothing", "unknown"}
# Around such a name programs put signs: "_unknown_", "__background__", "[none]".
_AROUND_SILENT = " _-.[](){}<>*?\"'"
# Before it may stand a number, which keeps folders in order: "0_background", "10. nothing".
_NUMBER_IN_FRONT = re.compile(r"^\d+[\s_.:,)-]+(?=\S)")
# ImageNet's 21,841 labels take 600 kB; what is larger is no label file.
LARGEST_BYTES = 4_000_000
_MOST_LABELS = 100_000
# A table takes much more memory than its text.
_LARGEST_STRUCTURE = 1 << 18
_ONE_IN = 100
# TypeError: a table or a list stands for a key.
_NOT_PYTHON = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)
# Of ImageNet's labels the longest has 131; a folder of photos may give one of 255.
_LONGEST_LABEL = 255
_LINE_ENDS = re.compile(r"\r\n?|\n")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NUMBERED = re.compile(r"(\d{1,6})(?:[:,]\s*|\s+)(\S.*)")
_LISTED = re.compile(r"-\s+(\S.*)")
_QUOTED = re.compile(r"""(["'])(.+)\1,?""")
_LABEL_MAP = re.compile(r"item\s*\{")


def parse_labels(content: bytes, source: str) -> tuple[str, ...]:
    """Return the labels in `content`, the bytes of a label file.

    Lines are ``daisy`` or ``"daisy",`` or, where every line carries its number, ``0 daisy``
    (also ``0: daisy`` and ``0, daisy``), counted from 0 in any order, or from 1 in theirs.
    Blank lines at the end are ignored. A list as YAML writes it, and a list, or a table of
    numbers and labels, in JSON or as Python writes it, serve too. `source` names the file
    in errors. Raises `ModelFileError`.
    """
    text = _decoded(content, source).strip()
    if not text:
        raise ModelFileError(f"{source}: holds no labels; expected one label a line")
    return _cleaned(_parsed(text, source), source)


def clean_label(label: str) -> str:
    """Return a label as it is shown, spoken and compared."""
    # Letters with an accent have two spellings that look the same.
    return unicodedata.normalize("NFC", printable(label).strip())


def _cleaned(labels: Sequence[str], source: str) -> tuple[str, ...]:
    """The labels as `clean_label` makes them, all different still."""
    cleaned = tuple(map(clean_label, labels))
    for number, (label, written) in enumerate(zip(cleaned, labels, strict=True), start=1):
        if len(label) > _LONGEST_LABEL:
            raise ModelFileError(
                f"{source}: label {number} has {len(label):,} characters; expected the name of "
                f"one thing, {_LONGEST_LABEL} at most"
            )
        if not is_visible(label):
            raise ModelFileError(
                f"{source}: label {number} is {written[:60]!r}, of which nothing can be seen; "
                "give it a name"
            )
    if len(set(cleaned)) < len(set(labels)):
        twice = next(label for label, count in Counter(cleaned).items() if count > 1)
        raise ModelFileError(
            f"{source}: several labels are {twice!r} but for characters that cannot be seen; "
            "give each its own name"
        )
    return cleaned


def _parsed(text: str, source: str) -> tuple[str, ...]:
    if (text[0], text[-1]) in (("{", "}"), ("[", "]")):
        return _structured(text, source)
    if _LABEL_MAP.match(text):
        raise ModelFileError(
            f"{source}: is a label map of an object detector (.pbtxt); expected one label a line, "
            "in output order"
        )
    if text.count("\n") + text.count("\r") >= 2 * _MOST_LABELS:
        raise ModelFileError(
            f"{source}: has more than {_MOST_LABELS:,} lines; expected one label a line"
        )
    lines = [line.strip() for line in _LINE_ENDS.split(text)]
    for number, line in enumerate(lines, start=1):
        if not line:
            raise ModelFileError(
                f"{source}: line {number} is blank; expected one label a line, in output order"
            )
    listed = [match[1] for line in lines if (match := _LISTED.fullmatch(line))]
    if len(listed) == len(lines):
        lines = listed
    quoted = [match[2] for line in lines if (match := _QUOTED.fullmatch(line))]
    labels = tuple(quoted) if len(quoted) == len(lines) else _without_numbers(lines, source)
    columns = next((label for label in labels if "\t" in label), None)
    if columns is not None:
        raise ModelFileError(
            f"{source}: has several columns, {printable(columns)!r} for example; expected one "
            "label a line, in output order"
        )
    return labels


def label_text(labels: Sequence[str]) -> str:
    """Return the contents of a label file that `parse_labels` reads as these `labels`.

    They are numbered where plain lines would be read as something else: "0 fingers" and
    "1 fingers", say, whose numbers belong to the names.
    """
    plain = "".join(f"{label}\n" for label in labels)
    with contextlib.suppress(ModelFileError):
        if parse_labels(plain.encode(), "") == tuple(labels):
            return plain
    return "".join(f"{number} {label}\n" for number, label in enumerate(labels))


def _decoded(content: bytes, source: str) -> str:
    # Without a mark at its beginning, UTF-16 is known by the zeros of its plain letters.
    even, odd = content[:64:2], content[1:64:2]
    if content[:2] in _UTF16 or (content and any(even) != any(odd) and all(even) != all(odd)):
        raise ModelFileError(f"{source}: is UTF-16 text; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelFileError(
            f"{source}: is not a label file: byte {error.start} is not UTF-8 text; "
            "expected one label a line, saved as UTF-8"
        ) from None
    if re.match(r"\s*<(?:!doctype|html|head|body|\?xml)\b", text, re.IGNORECASE):
        raise ModelFileError(f"{source}: is a web page; download the label file itself")
    if "\0" in text:
        raise ModelFileError(f"{source}: is not a label file; expected text, one label a line")
    return text


def _without_numbers(lines: list[str], source: str) -> tuple[str, ...]:
    """The labels of lines that all begin with their number, else the lines."""
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    pairs = [(int(match[1]), match[2]) for match in numbered if match is not None]
    labels = dict(pairs)
    # Numbers that count labels begin with 0. "1 cent", "5 cent" and "1 finger", "1 thumb" are
    # labels; "1 daisy", "2 rose" are counted by somebody who begins with 1.
    from_one = [number for number, _ in pairs] == list(range(1, len(lines) + 1))
    if from_one and len(lines) > 1 and len(set(labels.values())) == len(lines):
        return tuple(labels.values())
    if not all(numbered) or 0 not in labels:
        return tuple(lines)
    ordered = _in_order(labels, len(lines), source)
    equal = equal_label(ordered)
    if equal is not None:
        raise ModelFileError(
            f"{source}: without the numbers in front several labels are {equal!r}; where the "
            f"numbers belong to the names, write both: 0 0 {equal}"
        )
    return ordered


def _in_order(labels: Mapping[int, str], count: int, source: str) -> tuple[str, ...]:
    missing = next((i for i in range(count) if i not in labels), None)
    if missing is not None:
        raise ModelFileError(
            f"{source}: the labels are numbered, but number {missing} is missing; expected "
            f"every number from 0 to {count - 1} once"
        )
    return tuple(labels[i] for i in range(count))


def parse_structure(text: str) -> object:
    """Return the value that a text states in JSON or as Python writes it; None for any other."""
    # Both give up on text of the other kind, and on text that is nested too deep.
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    with contextlib.suppress(*_NOT_PYTHON):
        return ast.literal_eval(text)
    return None


def _structured(text: str, source: str) -> tuple[str, ...]:
    """The labels of a list, of ``{0: "daisy"}`` or of ``{"daisy": 0}``, as Keras keeps them."""
    value = parse_structure(text) if len(text) <= _LARGEST_STRUCTURE else None
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        if all(type(number) is int for number in value.values()):
            value = {number: name for name, number in value.items()}
        pairs = ((_number(key), name) for key, name in value.items())
        labels = {
            number: name.strip()
            for number, name in pairs
            if number is not None and _is_label(name)
        }
        if labels and len(labels) == len(value):
            return _in_order(labels, len(labels), source)
    raise ModelFileError(
        f"{source}: begins with {text[0]!r} like JSON or a Python table, but is no list of labels "
        "and no table of numbers and labels; expected one label a line, in output order"
    )


def _number(key: object) -> int | None:
    if type(key) is int:
        return key
    return int(key) if isinstance(key, str) and re.fullmatch(r"\d{1,6}", key) else None


def _is_label(name: object) -> TypeGuard[str]:
    return isinstance(name, str) and len(name.split("\n")) == 1 and bool(name.strip())


def silent_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return those of `labels` whose name says that nothing is to be seen, "background" say.

    Capitals, signs around the name and a number in front do not matter; but "0 empty" and
    "1 empty" say how many are empty.
    """
    names = [_NUMBER_IN_FRONT.sub("", label.casefold()).strip(_AROUND_SILENT) for label in labels]
    named = list(zip(labels, names, strict=True))
    numbered = Counter(name for label, name in named if label[:1].isdigit())
    return tuple(
        label
        for label, name in named
        if name in _SILENT and (numbered[name] == 1 or not label[:1].isdigit())
    )


def silent_outputs(labels: Sequence[str]) -> tuple[int, ...]:
    """Return the places of those labels among `labels`, which are a model's outputs in order."""
    return tuple(labels.index(label) for label in silent_labels(labels))


def equal_label(labels: Sequence[str]) -> str | None:
    """Return a label that stands for several outputs, where that is a mistake.

    Lists that everybody uses have a few: of ImageNet's 1000 labels two are "crane".
    """
    if (len(labels) - len(set(labels))) * _ONE_IN <= len(labels):
        return None
    return next(label for label, count in Counter(labels).items() if count > 1)


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the label file at `path`, where ~ is the home folder.

    Raises `ModelFileError`, and OSError where the machine refuses.
    """
    try:
        path = path.expanduser()
        content = read_regular_file(path, LARGEST_BYTES)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such label file; check the path") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody has that home folder
        if isinstance(error, OSError) and is_the_machines(error):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelFileError(f"{path}: cannot be read as a label file ({reason})") from error
    return parse_labels(content, str(path))


def labels_fit(count: int, outputs: int) -> bool:
    """Whether so many labels name the outputs: one for each, or of one output no and yes."""
    return count == outputs or (count, outputs) == (2, 1)


def check_label_count(path: Path, labels: Sequence[str], outputs: int, source: str) -> None:
    """Raise `ModelMismatch` where labels from `source` do not fit a model's `outputs`."""
    if not labels_fit(len(labels), outputs):
        hint = ""
        if len(labels) + 1 == outputs:
            hint = ' (is a first line such as "background" missing?)'
        raise ModelMismatch(
            f"{path}: has {outputs} outputs, but there are {len(labels)} labels in {source}; "
            f"expected one label for each output{hint}"
        )


def check_labels(path: Path, labels: Sequence[str], outputs: int, source: str) -> None:
    """Raise `ModelMismatch` where labels are too few or many, or equal; see `labels_fit`."""
    check_label_count(path, labels, outputs, source)
    equal = equal_label(labels)
    if equal is not None:
        raise ModelMismatch(
            f"{path}: several outputs have the label {equal!r} in {source}; give each its own name"
        )
