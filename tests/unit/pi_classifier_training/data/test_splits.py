"""The rule of the split: what belongs together, what is recorded, what contradicts."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from pi_classifier_training.data import splits
from pi_classifier_training.data.splits import (
    Split,
    SplitOptions,
    SplitRule,
    group_of,
    place,
    stated_split,
    video_split,
)

from pi_classifier.errors import ConfigError


class TestGroups:
    def test_frames_of_one_video_and_copies_in_another_format_belong_together(self) -> None:
        frames = ("rose@video-000001.000s.jpg", "rose@video-test-000002.000s.jpg", "rose.png")
        assert {group_of(name) for name in frames} == {"rose"}
        assert group_of("a.b.jpg") == "a.b"

    def test_an_accent_is_one_however_a_file_system_writes_it(self) -> None:
        for form in ("NFC", "NFD"):
            assert group_of(unicodedata.normalize(form, "Blüte.jpg")) == "Blüte"

    def test_places_are_pinned_for_ever(self) -> None:
        # Another order would move test photos into training between two versions.
        assert place("photo1") == 0x3582246F913C0A84
        assert place(b"caf\xe9".decode("utf-8", "surrogateescape")) == 0xDAFD66C0B98965E6

    @pytest.mark.parametrize(
        ("rule", "name", "within", "group"),
        [
            ("folder", "a.jpg", ("Rosenstock 1", "evening"), "Rosenstock 1/"),
            ("folder", "a.jpg", (), "a"),
            ("regex:^(site\\d+)", "site12_0003.jpg", ("x",), "site12/"),
            ("regex:^(site\\d+)", "other_0003.jpg", (), "other_0003"),
            ("regex:(ü)", "Blu\u0308te.jpg", (), "ü/"),
            ("name", "a.jpg", ("x",), "a"),
        ],
    )
    def test_what_a_photo_belongs_to(
        self, rule: str, name: str, within: tuple[str, ...], group: str
    ) -> None:
        assert SplitRule(group_by=rule).groups([(name, within)]) == [group]

    def test_names_that_are_no_text_are_matched_too(self) -> None:
        rule = SplitRule(group_by="regex:^(.+)_")
        assert rule.groups([("\udcff_1.jpg", ()), ("1.jpg", ())]) == ["\udcff/", "1"]

    def test_a_pattern_that_would_never_end_is_given_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(splits, "_MATCHING_S", 1)
        endless = SplitRule(group_by="regex:^((?:a+)+)$")
        with pytest.raises(ConfigError, match=r"names of 2 photos takes more than 1 s; a repeat"):
            endless.groups([("short.jpg", ()), ("a" * 60 + ".jpg", ())])


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"group_by": "session"}, "--group-by session: expected name, folder, scene or regex"),
        ({"group_by": "regex:(a"}, r"is no regular expression \(missing \)"),
        ({"group_by": "regex:a"}, "has no group"),
        ({"group_by": "regex:(a{99999999999})"}, "is no regular expression"),
        ({"group_by": f"regex:{'(' * 9999}{')' * 9999}"}, "is no regular expression"),
        ({"test_percent": 50.0, "validation_percent": 45.0}, "leave 5 % to train with"),
    ],
)
def test_rules_that_say_nothing_are_refused(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        SplitRule(**stated)


class TestRecord:
    def test_a_rule_is_read_back_as_it_was_written(self) -> None:
        rule = SplitRule(20, 15, "regex:^(.)")
        assert SplitRule.recorded({"data": {"splits": rule.as_dict()}}) == rule
        assert rule.words() == (
            "of each label, by the sha256 of the file names: 20 % test, 15 % validation, 65 % "
            "training; photos with the same part of their name together (regex:^(.))"
        )

    def test_files_made_before_shares_were_exact_keep_their_rule(self) -> None:
        text = SplitRule(earlier=True).words()
        assert text == "sha256 of the file name: 10 % test, 10 % validation, 80 % training"
        assert SplitRule.recorded({"data": {"split_rule": f"{text}; but …"}}) == SplitRule(
            earlier=True
        )

    @pytest.mark.parametrize(
        "training", [{}, {"data": 1}, {"data": {}}, {"data": {"splits": {"test_percent": "x"}}},
                     {"data": {"splits": {"test_percent": 1, "validation_percent": []}}},
                     {"data": {"splits": []}}],
    )  # fmt: skip
    def test_what_is_no_rule_is_none(self, training: dict[str, Any]) -> None:
        assert SplitRule.recorded(training) is None


class TestOptions:
    def test_what_is_recorded_holds_and_may_be_repeated(self) -> None:
        rule = SplitRule(20, 10, "folder")
        for options in (SplitOptions(), SplitOptions(20, None, "folder")):
            assert options.applied_to(rule) == rule

    def test_without_a_record_the_options_decide(self) -> None:
        assert SplitOptions().applied_to(None) == SplitRule(10, 10, "name")
        assert SplitOptions(20, 5, "scene").applied_to(None) == SplitRule(20, 5, "scene")

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (SplitOptions(15), r"--test-percent 15: rose\.tflite was .* --test-percent 10,"),
            (SplitOptions(group_by="scene"), "--group-by scene: .* with --group-by name,"),
        ],
    )  # fmt: skip
    def test_a_contradiction_is_refused(self, options: SplitOptions, says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            options.applied_to(SplitRule(), "rose.tflite")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "training"), ("Training", "training"), ("VAL", "validation"),
        ("valid", "validation"), ("validation", "validation"), ("test", "test"),
        ("Test ", "test"), ("trained", None), ("daisy", None), ("", None),
    ],
)  # fmt: skip
def test_folders_that_state_a_split(name: str, split: Split | None) -> None:
    assert stated_split(name) == split


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("rose@video-test-000001.000s.jpg", "test"),
        ("rose@video-validation-000001.000s.jpg", "validation"),
        ("rose@video-000001.000s.jpg", None),
        ("test-1.jpg", None),
    ],
)
def test_frames_state_the_split_of_their_video(name: str, split: Split | None) -> None:
    assert video_split(name) == split
