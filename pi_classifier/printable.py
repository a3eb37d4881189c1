"""Text from outside, made fit to be shown: it steers no terminal and forges no line.

Labels, names and descriptions come from files that strangers made, file names from disks,
words from programs. Their text is cleaned where it is read, messages once more where they
leave the program. What people write stays: every script, emoji, and the invisible joiners
without which Persian, the scripts of India and many emoji are spelled wrongly.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# ECMA-48: a control sequence; a string with its end (a window's title, say); other escapes.
# A string's end is searched up to the next control character only, for linear time.
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
# A new line in one program or another; Unicode's line and paragraph separators too.
_LINE_ENDS = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]+")
# Group 1 is kept: the hidden letters in the flags of England, Scotland, Wales.
_HIDDEN = re.compile(
    r"(\U0001f3f4[\U000e0030-\U000e007a]{1,6}\U000e007f)"
    r"|[\x00-\x1f\x7f-\x9f"  # controls
    r"\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing around
    r"\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # without width
    r"\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
# Marks of direction belong to text that is written from right to left, and nowhere else.
_DIRECTION_MARKS = re.compile(r"[\u061c\u200e\u200f]")
_RIGHT_TO_LEFT = re.compile(
    r"[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U0001efff]"
)
# Arabic to Mongolian, the scripts of India and around it.
_JOINED = r"\u0600-\u1cff\ua800-\uabff\U00010a00-\U00011fff\U0001e900-\U0001e95f"
_EMOJI = r"\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINERS = re.compile(
    rf"((?<=[{_JOINED}])\u200d|(?<=[{_JOINED}])\u200c(?=[{_JOINED}])"
    rf"|(?<=[{_EMOJI}])\u200d(?=[{_EMOJI}]))|[\u200c\u200d]"
)
_SURROGATES = re.compile(r"[\ud800-\udfff]")
# Letters by their category, and nothing to see: Hangul fillers, Braille's blank.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def printable(text: str, longest: int = 0) -> str:
    r"""Return `text` as one line without what a reader cannot see or a terminal obeys.

    Line ends and tabs become a space. Escape sequences, control characters, characters
    without width and those that turn the direction of writing around are left out. Bytes that
    were no text stay as ``\xe9``. What is longer than `longest`, unless that is 0, ends
    with "…".
    """
    if longest and len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    text = _LINE_ENDS.sub(" ", _ESCAPE_SEQUENCE.sub("", text))
    text = _HIDDEN.sub(lambda match: match[1] or "", text)
    if not _RIGHT_TO_LEFT.search(text):
        text = _DIRECTION_MARKS.sub("", text)
    text = _JOINERS.sub(lambda match: match[1] or "", text)
    return _SURROGATES.sub(_shown_surrogate, text)


def printable_lines(text: str, longest: int = 0) -> str:
    """Return a text of several lines, each as `printable` makes it.

    Lines after the first begin with a space, so that none can be taken for another message.
    """
    first, *others = (printable(line, longest) for line in text.split("\n"))
    return "\n".join([first, *(line if line[:1] == " " else f"  {line}" for line in others)])


def one_line(text: str) -> str:
    """Return a text of several lines as one, with semicolons between them."""
    lines = (printable(line).strip() for line in text.split("\n"))
    return "; ".join(line for line in lines if line).replace(":; ", ": ")


def json_text(value: Any) -> str:
    """Return a value as one line of JSON, in which what `printable` drops is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def is_visible(text: str) -> bool:
    """Whether anything of `text` can be seen."""
    return any(unicodedata.category(char)[0] not in "CMZ" and char not in _BLANK for char in text)


def _shown_surrogate(match: re.Match[str]) -> str:
    # How Python keeps bytes that are not UTF-8, in file names and arguments.
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else "\ufffd"
