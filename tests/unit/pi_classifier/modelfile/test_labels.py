from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import ModelFileError
from pi_classifier.modelfile.labels import (
    clean_label,
    equal_label,
    label_text,
    parse_labels,
    read_labels,
    silent_labels,
    silent_outputs,
)
from pi_classifier.printable import is_visible


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("daisy\nrose\n", ["daisy", "rose"]),
        ("daisy\r\nrose", ["daisy", "rose"]),
        ("daisy\nrose\n\n \n\n", ["daisy", "rose"]),
        ("\ufeffdaisy\nrose\n", ["daisy", "rose"]),
        ("great white shark, man-eater\nox eye\n", ["great white shark, man-eater", "ox eye"]),
        ("0 daisy\n1 wild rose\n", ["daisy", "wild rose"]),
        ("0  daisy\n 1  rose\n", ["daisy", "rose"]),
        ("1 rose\n0 daisy\n", ["daisy", "rose"]),
        ("0: daisy\n1, rose\n", ["daisy", "rose"]),
        ("1 cent\n5 cent\n", ["1 cent", "5 cent"]),
        ("1 finger\n2 finger\n", ["1 finger", "2 finger"]),
        ("1 daisy\n2 rose\n3 iris\n", ["daisy", "rose", "iris"]),
        ("2 rose\n1 daisy\n", ["2 rose", "1 daisy"]),
        ("1 daisy\n", ["1 daisy"]),
        ("0 daisy\nrose\n", ["0 daisy", "rose"]),
        ("- daisy\n- 'wild rose'\n", ["daisy", "'wild rose'"]),
        ("- daisy\nrose\n", ["- daisy", "rose"]),
        ("cafe\u0301\nrose\n", ["caf\u00e9", "rose"]),
        ("Gänseblümchen\n薔薇\n", ["Gänseblümchen", "薔薇"]),
        ("0\n1\n", ["0", "1"]),
        ("0 0 fingers\n1 1 fingers\n", ["0 fingers", "1 fingers"]),
        ("\"daisy\",\n'rose'\n", ["daisy", "rose"]),
        ("'daisy'\nrose\n", ["'daisy'", "rose"]),
        ('{0: "red",\n 1: "green",\n 2: "blue"}\n', ["red", "green", "blue"]),
        ('{"1": "green", "0": "red"}', ["red", "green"]),
        ('{"green": 1, "red": 0}', ["red", "green"]),
        ("{'red': 0, 'green': 1,}", ["red", "green"]),
        ('["red", "green "]', ["red", "green"]),
        ("('red', 'green')\n", ["('red', 'green')"]),
        ("\x1b[31mred\x1b[0m\n\u202egreen\n", ["red", "green"]),
        ("red\u2028rose\ndai\u200bsy\x0b\n", ["red rose", "daisy"]),
        ("red\rgreen\r", ["red", "green"]),
        ('["red\\u001b]0;title\\u0007"]', ["red"]),
        ("می\u200cخواهم\n👩\u200d👧\n", ["می\u200cخواهم", "👩\u200d👧"]),
        ("crane\ncrane\n" + "".join(f"{i} a\n" for i in range(300)), None),
    ],
)
def test_formats(content: str, labels: list[str] | None) -> None:
    expected = content.splitlines() if labels is None else labels
    assert list(parse_labels(content.encode(), "labels.txt")) == expected


LABELS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=6
)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (("daisy", "rose"), "daisy\nrose\n"),
        (("0 fingers", "1 fingers"), "0 0 fingers\n1 1 fingers\n"),
        (('"a"', '"b"'), '0 "a"\n1 "b"\n'),
        (("[1]",), "0 [1]\n"),
    ],
)
def test_what_is_written_is_plain_where_that_will_do(labels: tuple[str, ...], text: str) -> None:
    assert label_text(labels) == text


@given(st.lists(LABELS.map(clean_label).filter(is_visible), min_size=1, max_size=5, unique=True))
def test_what_is_written_is_read_again(labels: list[str]) -> None:
    assert parse_labels(label_text(labels).encode(), "labels.txt") == tuple(labels)


def test_silent_labels() -> None:
    silent = ("Background", "nothing", "NONE", "unknown", "Empty", "_unknown_", "__background__")
    names = ("daisy", *silent, "nothing else", "empty box", "none of mine", "_")
    assert silent_labels(names) == silent
    assert silent_outputs(names) == tuple(range(1, 8))


@pytest.mark.parametrize("label", ["0_background", "00 Nothing", "3. none", "12-empty", "'none'"])
def test_a_number_before_a_silent_label_only_keeps_folders_in_order(label: str) -> None:
    assert silent_labels(["1_daisy", label, "background"]) == (label, "background")


def test_numbers_that_count_are_part_of_the_name() -> None:
    assert silent_labels(["0 empty", "1 empty", "2 full", "3 empty"]) == ()
    assert silent_labels(["4nothing", "5", "none"]) == ("none",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no labels"),
        (b"\n \n", "holds no labels"),
        (b"daisy\n\nrose\n", "line 2 is blank"),
        (b"red\n\x1b[31mred\n", "several labels are 'red' but for characters that cannot be seen"),
        (b"red\n\x1b[31m\n", r"label 2 is '.x1b\[31m', of which nothing can be seen"),
        ("red\n\u3164\n".encode(), "label 2 is .*, of which nothing can be seen"),
        (b"x" * 256, "label 1 has 256 characters"),
        (b"a\n" * 200_001, "has more than 100,000 lines"),
        (b"0 daisy\n2 rose\n", "number 1 is missing"),
        (b"0 daisy\n0 rose\n", "number 1 is missing"),
        (b"\xfdaisy", "byte 0 is not UTF-8"),
        ("daisy\nrose\n".encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        ("daisy\nrose\n".encode("utf-16-le"), "UTF-16 text; save it as UTF-8"),
        ("daisy\nrose\n".encode("utf-16-be"), "UTF-16 text; save it as UTF-8"),
        (b"<!DOCTYPE html>\n<html>\n</html>\n", "is a web page; download the label file itself"),
        (b'\n<?xml version="1.0"?>\n<a/>\n', "is a web page"),
        (b"0 fingers\n1 fingers\n2 fingers\n", "several labels are 'fingers'.*0 0 fingers"),
        (b"n01440764\ttench\nn01443537\tgoldfish\n", "has several columns"),
        (b"0\tred\tred flower\n1\tblue\tblue flower\n", "has several columns"),
        ("caf\u00e9\ncafe\u0301\n".encode(), "several labels are 'caf\u00e9'"),
        (b'item {\n  id: 1\n  name: "cat"\n}\n', r"label map of an object detector \(\.pbtxt\)"),
        (b"{0: 'red', 2: 'blue'}", "number 1 is missing"),
        (b"{0: 'red', 'one': 'blue'}", "no list of labels"),
        (b'{"0": ["n01440764", "tench"]}', "no list of labels"),
        (b'["red", ""]', "no list of labels"),
        (b'["red", "a\\nb"]', "no list of labels"),
        (b"{}", "no list of labels"),
        (b"[UNK]", "no list of labels"),
        (b"[" * 5000 + b"]" * 5000, "no list of labels"),
        (b"{[0]: 'red'}", "no list of labels"),
        (b"{0: __import__('os').getcwd()}", "no list of labels"),
        (b"TFL3\0\0\0", "is not a label file"),
    ],
)
def test_what_is_no_label_file_is_named(content: bytes, says: str) -> None:
    with pytest.raises(ModelFileError, match=says) as caught:
        parse_labels(content, "some/labels.txt")
    assert "some/labels.txt" in str(caught.value)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("daisy\nrose\n")
    assert read_labels(path) == ("daisy", "rose")
    with pytest.raises(ModelFileError, match="no such label file"):
        read_labels(tmp_path / "none.txt")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_labels(tmp_path)
    path.write_bytes(b"a\n" * (3 << 20))
    with pytest.raises(ModelFileError, match="holds more than the 4"):
        read_labels(path)


def test_home_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "labels.txt").write_text("daisy\n")
    assert read_labels(Path("~/labels.txt")) == ("daisy",)
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_labels(Path("~nobody-of-that-name/labels.txt"))


@pytest.mark.parametrize(
    ("labels", "equal"),
    [
        (["daisy", "rose"], None),
        (["daisy", "daisy"], "daisy"),
        (["crane", "crane", *map(str, range(198))], None),
        (["crane", "crane", *map(str, range(97))], "crane"),
    ],
)
def test_equal_labels(labels: list[str], equal: str | None) -> None:
    """A few in a long list are as published: ImageNet has two cranes."""
    assert equal_label(labels) == equal


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(NAMES.map(clean_label).filter(is_visible), min_size=1, max_size=12, unique=True))
def test_numbered_and_plain_give_the_same(names: list[str]) -> None:
    numbered = "".join(f"{i} {name}\n" for i, name in enumerate(names))
    assert list(parse_labels(numbered.encode(), "x")) == names
