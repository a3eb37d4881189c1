"""What a report advises: what would bring most, and nothing that another section denies."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data_check.findings import CheckResult, Finding
from pi_classifier_training.evaluation.metrics import wilson
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.reporting import verdict
from pi_classifier_training.reporting.advice import LEAST_GAIN, MOST_ADVICE, advice
from pi_classifier_training.reporting.learning_curve import Curve, Forecast, PowerLaw
from pi_classifier_training.reporting.model_files import MeasuredFile
from pi_classifier_training.reporting.more_photos import More, MorePhotos
from pi_classifier_training.reporting.never_seen import NeverSeen
from pi_classifier_training.reporting.page import Figure
from pi_classifier_training.reporting.photo_state import Photos
from pi_classifier_training.reporting.subject import Delivered, ReportOptions, Subject

from pi_classifier.modelfile.manifest import Manifest, Thresholds

LABELS = ("roses", "tulips")
SMALL = {"name": "mobilenet_v1", "width": 0.25, "resolution": 128}
HEAD = [{"phase": "head", "epoch": 1}]
NO_FIGURE = Figure("<svg></svg>", "nothing")


def outcomes(right: list[bool], truth: list[int], top: float = 0.9) -> Outcomes:
    """Answers to as many photos, all with the score `top`."""
    n = len(right)
    true, hits = np.array(truth, np.int64), np.array(right)
    zeros, tops = np.zeros(n, np.int64), np.full(n, top, np.float32)
    photos = tuple(
        Photo(Path(f"photos/{LABELS[t]}/{i}.jpg"), LABELS[t]) for i, t in enumerate(truth)
    )
    given = np.where(hits, true, 1 - true)
    return Outcomes(photos, true, given, tops, tops, 1 - hits.astype(np.int64), zeros, zeros)


def subject(
    right: int = 80,
    n: int = 100,
    *,
    network: Mapping[str, Any] | None = None,
    history: list[dict[str, Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    manifest: Manifest | None = None,
    top: float = 0.9,
) -> Subject:
    """A run that names `right` of `n` photos rightly; all its mistakes are tulips."""
    truth = [0] * (n // 2) + [1] * (n - n // 2)
    answers = outcomes([i < right for i in range(n)], truth, top)
    accuracy = wilson(right, n)
    file = MeasuredFile(
        Path("runs/a/int8.tflite"), "int8", LABELS, 1, 1, accuracy, accuracy, 1.0, answers,
        manifest or Manifest(silent_labels=("roses",)),
    )  # fmt: skip
    summary = {
        "network": SMALL if network is None else network,
        "history": HEAD if history is None else history,
        "options": options or {},
    }
    folders = (Path("my photos"),)
    return Subject(Path("runs/a"), summary, folders, answers.photos, [file], ReportOptions())


def photos(*findings: Finding, roses: int = 200, tulips: int = 100) -> Photos:
    checked = CheckResult(("my photos",), findings, {})
    return Photos((("roses", roses, 9, 9), ("tulips", tulips, 9, 9)), checked, "")


def curve(ratio: float, doubt: str = "", *, exact: bool = True) -> More:
    forecast = Forecast(PowerLaw(0.0, 1.0, 0.5), ratio, (ratio, ratio), 0.1, 0.1, doubt)
    measured = Curve(np.ones(1), np.zeros((1, 1, 1), np.bool_))
    return More(MorePhotos(measured, forecast, "as foretold", exact), NO_FIGURE)


def titles(subject: Subject, **contents_of: object) -> list[str]:
    return [step.title.split(",")[0].split(" (")[0] for step in advice(subject, contents_of)]


def test_what_brings_most_comes_first_and_three_are_enough() -> None:
    conflict = Finding("two-labels", "error", "", "", (("a", "b"),) * 30)
    known = Manifest()
    contents_of = {"photos": photos(conflict), "more": curve(0.5)}
    steps = advice(subject(manifest=known), contents_of)
    assert len(steps) == MOST_ADVICE
    assert [s.gain for s in steps] == sorted((s.gain for s in steps), reverse=True)
    assert {"show it other things too", "put photos under the right label"} <= {
        s.title for s in steps
    }


def test_what_would_bring_next_to_nothing_is_no_advice() -> None:
    assert advice(subject(right=1000, n=1000), {}) == ()
    assert all(step.gain >= LEAST_GAIN for step in advice(subject(right=96), {}))


def test_a_model_that_knows_other_things_need_not_be_shown_them() -> None:
    other = "show it other things too"
    assert other in titles(subject(manifest=Manifest()))
    assert other not in titles(subject(manifest=Manifest(silent_labels=("roses",))))
    assert other not in titles(subject(manifest=Manifest(details={"unknown": {}})))


def test_what_was_measured_of_other_things_counts_not_what_is_usual() -> None:
    """A model that hardly ever announces them needs no photos of them."""
    for share, advised in ((0.65, True), (0.021, False)):
        seen = NeverSeen({"share": share}, (), False, "")
        steps = advice(subject(right=97, manifest=Manifest()), {"unseen": seen})
        assert any("announces 65 (measured)" in step.brings for step in steps) == advised
        assert ("show it other things too" in {step.title for step in steps}) == advised


@pytest.mark.parametrize(
    ("top", "right", "said"),
    [
        # Right 8 times of 10 with scores of 0.6: too modest by 20 points, and silent at 0.7.
        (0.6, 80, "about 60 photos in 100 more named aloud and rightly (estimated"),
        # As often right with scores of 0.95 that stay above 0.7: nothing would change.
        (0.95, 80, None),
        # Right 3 times of 10 with scores of 0.9: silence is better.
        (0.9, 30, "of 100 photos about 70 photos fewer named wrongly"),
    ],
)  # fmt: skip
def test_scores_that_nobody_set_right(top: float, right: int, said: str | None) -> None:
    own = Manifest(flatbuffer_bytes=1, details={"calibration": {"temperature": 1.0}})
    steps = advice(subject(right=right, manifest=own, top=top), {})
    told = [step.brings for step in steps if step.title == "calibrate it"]
    assert bool(told) == (said is not None)
    assert said is None or told[0].startswith(said)
    done = Manifest(flatbuffer_bytes=1, details={"calibration": {"temperature": 1.0, "n": 9}})
    for manifest in (done, Manifest()):
        steps = advice(subject(right=right, manifest=manifest, top=top), {})
        assert "calibrate it" not in {step.title for step in steps}


@pytest.mark.parametrize(
    ("phases", "advised"),
    [(["head"], True), (["head", "fine-tuning"], False), (["scratch"], False), ([], False)],
)
def test_only_a_new_head_is_advised_to_be_fine_tuned(phases: list[str], advised: bool) -> None:
    history = [{"phase": phase} for phase in phases]
    assert ("train the whole network" in titles(subject(history=history))) == advised


@pytest.mark.parametrize(("training", "away"), [(2 * 150, 0.3), (2 * 150 - 1, 0.1)])
def test_few_photos_gain_less_from_fine_tuning(training: int, away: float) -> None:
    photos_of_run = [Photo(Path("a.jpg"), "roses", "training")] * training
    run = replace(subject(right=80), photos=photos_of_run)
    step = next(s for s in advice(run, {}) if s.title.startswith("train the whole"))
    assert step.gain == pytest.approx(100 * 0.2 * away)


def test_the_largest_network_is_advised_no_larger_one() -> None:
    largest = {"name": "mobilenet_v2", "width": 1.4, "resolution": 224}
    assert "take a larger network" in titles(subject())
    assert "take a larger network" not in titles(subject(network=largest))
    # A model that makes no mistakes, on however few photos, needs no better network.
    assert "take a larger network" not in titles(subject(right=18, n=18))
    # An imported network has no place in the table.
    assert "take a larger network" not in titles(subject(network={}))


@pytest.mark.parametrize(
    ("more", "advised"),
    [
        (curve(0.5), True),
        (curve(0.99), False),
        (curve(0.5, "too few to see a trend"), False),
        (None, False),
    ],
)
def test_more_photos_are_advised_only_where_the_curve_says_so(
    more: More | None, advised: bool
) -> None:
    assert ("take more photos" in titles(subject(), photos=photos(), more=more)) == advised


@pytest.mark.parametrize(("roses", "label"), [(200, "tulips"), (30, "tulips"), (29, "roses")])
def test_photos_are_wanted_of_the_rarest_label_else_of_the_worst(roses: int, label: str) -> None:
    steps = advice(subject(), {"photos": photos(roses=roses), "more": curve(0.1)})
    more = next(s for s in steps if s.title.startswith("take more photos"))
    assert more.title == f"take more photos, of “{label}” first"


@pytest.mark.parametrize(
    ("groups", "said"), [(1, "1 photo lies under two labels"), (2, "2 photos lie under two")]
)
def test_photos_under_two_labels_are_counted(groups: int, said: str) -> None:
    conflict = Finding("alike-two-labels", "warning", "", "", (("a", "b"),) * groups)
    steps = advice(subject(), {"photos": photos(conflict)})
    assert [said in step.brings for step in steps].count(True) == 1


def test_training_again_shares_the_photos_out_as_before_and_keeps_its_silence() -> None:
    run = subject()
    splits = {"test_percent": 20.0, "validation_percent": 10.0, "group_by": "folder"}
    summary = {**run.summary, "data": {"splits": splits}, "negatives": ["any thing"]}
    (step,) = (s for s in advice(replace(run, summary=summary), {}) if "larger" in s.title)
    words = shlex.split(step.command)
    assert words[-6:] == [
        *("--test-percent", "20", "--group-by", "folder"),
        *("--negatives", "any thing"),
    ]


@pytest.mark.parametrize(
    ("path", "recorded", "expected"),
    [
        (None, "imagenet", None),
        ("down loads/small.h5", "small.h5", "down loads/small.h5"),
        (None, "none", "none"),
    ],
)
def test_training_again_starts_from_the_same_weights(
    path: str | None, recorded: str, expected: str | None
) -> None:
    run = replace(subject(options={"weights": recorded}), options=ReportOptions(weights=path))
    steps = advice(run, {"photos": photos(), "more": curve(0.7)})
    commands = {step.title.split(",")[0]: shlex.split(step.command) for step in steps}
    again = commands["take more photos"]
    assert (again[again.index("--weights") + 1] if expected else None) == expected
    # Those of a small network do not fit a larger one.
    for title, command in commands.items():
        if title.startswith("take a larger network"):
            assert "--weights" not in command


@pytest.mark.parametrize("tuned", [0, 12])
def test_every_command_is_one_that_is_understood(
    tuned: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is parsed by the program itself, and fails only for want of the photos."""
    conflict = Finding("two-labels", "error", "", "", (("a", "b"),) * 9)
    contents_of = {"photos": photos(conflict), "more": curve(0.1)}
    for manifest in (Manifest(), None):
        for step in advice(subject(options={"fine_tune": tuned}, manifest=manifest), contents_of):
            for line in step.command.splitlines():
                program, *arguments = shlex.split(line)
                assert program == "pi-classifier-train"
                if "fetch" in arguments or "--negatives" in arguments:
                    continue
                assert main(arguments) not in (0, 2)
                assert "my photos" in capsys.readouterr().err


def test_a_terminal_is_told_in_a_few_lines() -> None:
    run = subject()
    steps = advice(run, {})
    head = verdict.headline(run, {}, steps)
    assert head.in_short[0] == head.first
    assert "scp runs/a/int8.tflite" in head.in_short[1]
    assert steps[0].title in head.in_short[2]
    assert len(verdict.headline(run, {}, ()).in_short) == 2


def test_the_files_own_threshold_is_the_one_that_counts() -> None:
    above = Manifest(thresholds=Thresholds(high=0.95), silent_labels=())
    said = " ".join(verdict.headline(subject(manifest=above), {}, ()).sentences)
    assert "none of the 100 photos its score reached 0.95" in said
    usual = " ".join(verdict.headline(subject(manifest=Manifest()), {}, ()).sentences)
    assert "from a score of 0.7 on: of 100 such photos it names all, 20 of them" in usual


def test_of_a_delivery_another_search_is_advised_and_not_what_it_has_tried(
    tmp_path: Path,
) -> None:
    run, copy = subject(80, manifest=Manifest()), tmp_path / "birds" / "copy"
    copy.mkdir(parents=True)
    words = ("auto", "--board", "4", "--minutes", "20")
    delivered = Delivered(copy, "birds", 0.75, words)
    of_search = replace(run, options=ReportOptions(delivered=delivered))
    found = titles(run, photos=photos(), more=curve(0.7))
    assert {"train the whole network", "take a larger network"} & set(found)
    steps = advice(of_search, {"photos": photos(), "more": curve(0.7)})
    assert not {"train the whole network", "take a larger network"} & {s.title for s in steps}
    again = ["pi-classifier-train", "auto", "--image-dir", "my photos", "--output-dir"]
    commands = [shlex.split(step.command.splitlines()[-1]) for step in steps]
    assert [*again, f"{copy.parent}-known", *words[1:], "--negatives", "negatives"] in commands
    assert [*again, f"{copy.parent}-more", *words[1:]] in commands
    assert of_search.copying.send.endswith(f" && scp -r {copy} pi@raspberrypi.local:birds")
    assert "threshold_high = 0.75" in of_search.copying.settings
    assert of_search.copied == "the folder copy"
