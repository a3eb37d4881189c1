"""Findings as records and as lines, and which copies move aside."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from pi_classifier_training.data.splits import Split, group_of, place
from pi_classifier_training.data_check.finding_kinds import KINDS
from pi_classifier_training.data_check.findings import SEVERITIES, CheckResult, Finding
from pi_classifier_training.data_check.fix import LOG, fix, undo
from pi_classifier_training.errors import DatasetError
from PIL import Image

COUNTS = {
    "daisy": {"training": 8, "validation": 1, "test": 2},
    "rose": {"training": 30, "validation": 4, "test": 3},
}


def finding(kind: str, *groups: tuple[str, ...]) -> Finding:
    told = KINDS[kind]
    return Finding(kind, told.severity, told.message, told.advice, groups)


def by_tenth(name: str) -> Split:
    """The split that a name of very many has."""
    tenth = place(group_of(name)) * 10 >> 64
    return "test" if tenth == 0 else "validation" if tenth == 1 else "training"


def result(*findings: Finding, dirs: tuple[str, ...] = ("photos",)) -> CheckResult:
    splits = {shown: by_tenth(Path(shown).name) for f in findings for shown in f.paths}
    return CheckResult(dirs, findings, COUNTS, splits)


def test_every_kind_says_what_is_and_what_to_do() -> None:
    for name, kind in KINDS.items():
        assert kind.severity in SEVERITIES, name
        assert kind.message, name
        assert kind.advice, name


class TestRecord:
    def test_counts_photos_and_shortens_lists(self) -> None:
        groups = [(f"daisy/{i}.jpg",) for i in range(5)]
        record = result(finding("damaged", *groups)).as_dict(most=2)
        assert record["photos"] == 48
        assert record["trainable"] is False
        assert record["findings"][0]["count"] == 5
        assert record["findings"][0]["files"] == [["daisy/0.jpg"], ["daisy/1.jpg"]]
        assert len(result(finding("damaged", *groups)).as_dict()["findings"][0]["files"]) == 5

    @pytest.mark.parametrize(
        ("kind", "trainable"), [("damaged", False), ("copy", True), ("turned", True)]
    )
    def test_only_errors_forbid_training(self, kind: str, trainable: bool) -> None:
        assert result(finding(kind, ("a.jpg",))).trainable is trainable

    def test_a_path_is_found_again(self) -> None:
        assert result().path_of("daisy/a.jpg") == Path("photos/daisy/a.jpg")
        both = result(dirs=("one", "two"))
        assert both.path_of("two/daisy/a.jpg") == Path("two/daisy/a.jpg")
        assert finding("copy", ("a", "b"), ("c", "d")).paths == ("a", "b", "c", "d")


class TestLines:
    def test_three_examples_and_the_number_of_the_rest(self) -> None:
        lines = result(finding("copy", *[(f"{i}.jpg", f"{i}b.jpg") for i in range(5)])).lines()
        assert lines[0] == "warning  copies of a photo (5)"
        assert lines[1] == "           0.jpg = 0b.jpg"
        assert lines[4] == "           … and 2 more (--json)"
        assert lines[5] == "         → keep one (--fix does)"

    def test_a_table_of_labels(self) -> None:
        lines = result().lines()
        assert lines[1:4] == [
            "label   training validation       test",
            "daisy          8          1          2",
            "rose          30          4          3",
        ]

    @pytest.mark.parametrize(
        ("kinds", "verdict"),
        [
            ((), "nothing found: ready to train"),
            (("copy",), "1 warning: ready to train"),
            (("copy", "few", "turned"), "2 warnings, 1 note: ready to train"),
            (("damaged", "copy"), "1 error, 1 warning: correct the errors first"),
        ],
    )
    def test_the_verdict(self, kinds: tuple[str, ...], verdict: str) -> None:
        assert result(*(finding(kind) for kind in kinds)).lines()[-1] == verdict


def named(split: str, number: int = 0) -> str:
    names = (f"photo{i}.png" for i in range(10_000))
    return next(islice((n for n in names if by_tenth(n) == split), number, None))


TRAINED, ALSO_TRAINED, TESTED = named("training"), named("training", 1), named("test")


class TestFix:
    @pytest.mark.parametrize(
        ("kind", "group", "moved"),
        [
            # Of copies one stays: one in training, so that no photo seen becomes a test photo.
            ("copy", (TRAINED, ALSO_TRAINED), (ALSO_TRAINED,)),
            ("copy-across-splits", (TESTED, TRAINED), (TESTED,)),
            ("copy-across-splits", (TESTED, TRAINED, ALSO_TRAINED), (TESTED, ALSO_TRAINED)),
            # Views that look alike do no harm as long as all are trained on.
            ("alike-across-splits", (TESTED, TRAINED, ALSO_TRAINED), (TESTED,)),
            # Nobody can know which label is right.
            ("two-labels", (TRAINED, TESTED), (TRAINED, TESTED)),
            ("damaged", (TRAINED,), (TRAINED,)),
            # Its owner may know better why it cannot be opened.
            ("unreadable", (TRAINED,), ()),
            ("alike", (TRAINED, ALSO_TRAINED), ()),
            ("tiny", (TRAINED,), ()),
        ],
    )
    def test_which_photos_move_aside(
        self, kind: str, group: tuple[str, ...], moved: tuple[str, ...], tmp_path: Path
    ) -> None:
        photos = tmp_path / "photos" / "daisy"
        photos.mkdir(parents=True)
        for name in group:
            (photos / name).write_text(name)
        duplicates = finding(kind, tuple(f"daisy/{name}" for name in group))
        steps = fix(result(duplicates, dirs=(str(tmp_path / "photos"),)), tmp_path / "aside")
        assert tuple(step.source.name for step in steps) == moved
        assert {p.name for p in photos.iterdir()} == set(group) - set(moved)
        for step in steps:
            assert step.target == tmp_path / "aside" / kind / "daisy" / step.source.name
            assert step.target.read_text() == step.source.name
        if moved:
            undo(tmp_path / "aside")
        assert {p.name for p in photos.iterdir()} == set(group)

    def test_a_photo_in_two_findings_moves_once(self, tmp_path: Path) -> None:
        photos = tmp_path / "photos" / "daisy"
        photos.mkdir(parents=True)
        (photos / TRAINED).write_text("x")
        twice = [finding(kind, (f"daisy/{TRAINED}",)) for kind in ("two-labels", "damaged")]
        steps = fix(result(*twice, dirs=(str(tmp_path / "photos"),)), tmp_path / "aside")
        assert [step.kind for step in steps] == ["two-labels"]

    def test_a_photo_that_was_renamed_is_found_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "photos" / "daisy").mkdir(parents=True)
        named_wrongly = str(Path(TRAINED).with_suffix(".jpg"))
        Image.new("RGB", (2, 2)).save(tmp_path / "photos" / "daisy" / named_wrongly, "PNG")
        shown = f"daisy/{named_wrongly}"
        twice = [finding("extension", (shown,)), finding("two-labels", (shown,))]
        steps = fix(result(*twice), Path("aside"))
        assert [(step.action, step.source.suffix) for step in steps] == [
            ("renamed", ".jpg"),
            ("moved", ".png"),
        ]
        assert steps[1].target.is_file()

    @pytest.mark.parametrize("letter", ["L", "ü"])
    def test_the_longest_names(self, letter: str, tmp_path: Path) -> None:
        photos = tmp_path / "photos" / "daisy"
        photos.mkdir(parents=True)
        stem = letter * (251 // len(letter.encode()))
        Image.new("RGB", (2, 2)).save(photos / f"{stem}.jpg", "WEBP")
        shown = f"daisy/{stem}.jpg"
        wrong = result(finding("extension", (shown,)), dirs=(str(tmp_path / "photos"),))
        (step,) = fix(wrong, tmp_path / "aside")
        assert step.target.is_file()
        assert step.target.suffix == ".webp"
        assert by_tenth(step.target.name) == by_tenth(f"{stem}.jpg")
        kept = tmp_path / "aside" / "damaged" / "daisy" / step.target.name
        kept.parent.mkdir(parents=True)
        kept.touch()
        damaged = finding("damaged", (f"daisy/{step.target.name}",))
        (moved,) = fix(result(damaged, dirs=(str(tmp_path / "photos"),)), tmp_path / "aside")
        assert moved.target.stem.endswith("-2")
        assert moved.target.is_file()

    def test_nothing_moved_aside_before_is_overwritten(self, tmp_path: Path) -> None:
        photos = tmp_path / "photos" / "daisy"
        photos.mkdir(parents=True)
        kept = tmp_path / "aside" / "damaged" / "daisy"
        kept.mkdir(parents=True)
        (kept / TRAINED).write_text("earlier")
        (photos / TRAINED).write_text("now")
        duplicates = finding("damaged", (f"daisy/{TRAINED}",))
        (step,) = fix(result(duplicates, dirs=(str(tmp_path / "photos"),)), tmp_path / "aside")
        assert step.target.name == TRAINED.replace(".png", "-2.png")
        assert (kept / TRAINED).read_text() == "earlier"


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "action,to\nmoved\n"])
def test_a_damaged_log_of_moves_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / LOG).write_text(content)
    if content:
        with pytest.raises(DatasetError, match="is not what --fix wrote, or is damaged"):
            undo(tmp_path)
    else:
        assert undo(tmp_path) == []
