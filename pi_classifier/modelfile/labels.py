"""Label files: one label a line, in output order, plain or numbered."""

from __future__ import annotations

import re
from pathlib import Path

from pi_classifier.errors import ModelFileError
from pi_classifier.system.files import read_regular_file

# The name of label files, in the archive of a model file and beside one.
LABELS_NAME = "labels.txt"
# ImageNet's 21,841 labels take 600 kB; what is larger is no label file.
LARGEST_BYTES = 4 << 20
_NUMBERED = re.compile(r"(\d{1,6})(?:[:,]\s*|\s+)(\S.*)")


def parse_labels(content: bytes, source: str) -> tuple[str, ...]:
    """Return the labels in `content`, the bytes of a label file.

    Lines are ``daisy`` or, where every line carries its number, ``0 daisy`` (also
    ``0: daisy`` and ``0, daisy``), counted from 0 in any order. Blank lines at the
    end are ignored. `source` names the file in errors. Raises `ModelFileError`.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelFileError(
            f"{source}: is not a label file: byte {error.start} is not UTF-8 text; "
            "expected one label a line"
        ) from None
    if "\0" in text:
        raise ModelFileError(f"{source}: is not a label file; expected text, one label a line")
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines:
        raise ModelFileError(f"{source}: holds no labels; expected one label a line")
    for number, line in enumerate(lines, start=1):
        if not line:
            raise ModelFileError(
                f"{source}: line {number} is blank; expected one label a line, in output order"
            )
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    labels = {int(match[1]): match[2] for match in numbered if match is not None}
    # "1 cent", "5 cent" are labels; numbers that count labels begin with 0.
    if not all(numbered) or 0 not in labels:
        return tuple(lines)
    missing = next((i for i in range(len(lines)) if i not in labels), None)
    if missing is not None:
        raise ModelFileError(
            f"{source}: the lines are numbered, but number {missing} is missing; expected "
            f"every number from 0 to {len(lines) - 1} once"
        )
    return tuple(labels[i] for i in range(len(lines)))


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the label file at `path`. Raises `ModelFileError`."""
    try:
        content = read_regular_file(path, LARGEST_BYTES)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such label file; check the path") from None
    except OSError as error:
        reason = error.strerror
        raise ModelFileError(f"{path}: cannot be read as a label file ({reason})") from error
    return parse_labels(content, str(path))
