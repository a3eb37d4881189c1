"""What would help this model most: each step with what it would bring, and its command line.

Gains are counted alike, in photos of 100 for which the model would do better, so that they can
be ranked. Measured ones come from the photos kept aside; estimated ones say so.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.announcing import announced, of_100
from pi_classifier_training.evaluation.boards import ROBUST_FAMILIES
from pi_classifier_training.networks.imagenet import PUBLISHED, imagenet_top1, mmacs
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.reporting.more_photos import More
from pi_classifier_training.reporting.never_seen import NeverSeen
from pi_classifier_training.reporting.photo_state import Photos
from pi_classifier_training.reporting.subject import Subject
from pi_classifier_training.reporting.words import is_calibrated
from pi_classifier_training.retraining.options import RetrainOptions

MOST_ADVICE = 3
# What nobody would notice is no advice.
LEAST_GAIN = 0.5
# Of the mistakes of a new head (MobileNet v1 0.25/128, flower photos, 30 and 500 of each label)
# this share went away in fine-tuning; the second holds from `MANY_TRAINING` photos of a label on.
TUNED_AWAY = {30: 0.1, 500: 0.3}
MANY_TRAINING = 150
TUNING_EPOCHS = 10
# How much of an advantage on ImageNet, in log odds, is left on other photos: a cautious guess.
# On the flower photos MobileNet v1 0.25 gained more than twice that from 128 to 224 pixels.
CARRIED_OVER = 0.6
# A Raspberry Pi that runs the small network well bears so much more work.
WORK_FACTOR = 8.0
MOST_MMACS = 600.0
# The share of pictures of something else that a model announces as one of its labels: the
# shipped flower models 30 to 44 of 100, other ones up to 80, and 2 where photos of other things
# were learned from.
OTHERS_ANNOUNCED, OTHERS_ANNOUNCED_TAUGHT = 0.30, 0.02
# A label of fewer training photos than this is short of them, whatever the curve says.
FEW_TRAINING = 30
CONFLICTS = ("two-labels", "alike-two-labels")


@dataclass(frozen=True, slots=True)
class Advice:
    """A step that would help: its gain in photos of 100, what it brings, and its command."""

    gain: float
    title: str
    brings: str
    command: str


def advice(subject: Subject, contents_of: Mapping[str, object]) -> tuple[Advice, ...]:
    """The steps that would bring most, at most `MOST_ADVICE`, best first.

    `contents_of` are the contents of the report's other sections by anchor, so that nothing
    here says otherwise than they do.
    """
    possible = [_know_other_things(subject, contents_of.get("unseen")), _calibrate(subject)]
    if subject.options.delivered is None:
        # A search has tried both.
        possible += [_fine_tune(subject), _larger_network(subject)]
    if isinstance(photos := contents_of.get("photos"), Photos):
        possible.append(_sort_out_labels(subject, photos))
        if isinstance(more := contents_of.get("more"), More):
            possible.append(_more_photos(subject, photos, more))
    worth = [a for a in possible if a is not None and a.gain >= LEAST_GAIN]
    return tuple(sorted(worth, key=lambda a: -a.gain)[:MOST_ADVICE])


def _know_other_things(subject: Subject, seen: object) -> Advice | None:
    """A label for everything else, where the model has none; `seen` is what was measured of it."""
    manifest = subject.chosen.manifest
    if manifest.silent_labels or "unknown" in manifest.details or not subject.is_run:
        return None
    gain = 100 * (OTHERS_ANNOUNCED - OTHERS_ANNOUNCED_TAUGHT)
    brings = (
        "it knows only your labels, and names almost anything by one of them: of 100 pictures of "
        "something else such models announced 30 to 80, and 2 once they had learned from "
        "photos of other things (estimated for yours)"
    )
    if isinstance(seen, NeverSeen) and seen.measured is not None:
        share = float(seen.measured["share"])
        gain = 100 * (share - OTHERS_ANNOUNCED_TAUGHT)
        brings = (
            f"of 100 pictures of something else it announces {of_100(share)} (measured); the "
            "example models announced 2 once they had learned from photos of other things"
        )
    return Advice(
        gain,
        "show it other things too",
        brings,
        "pi-classifier-train fetch negatives\n"
        + _retrain(subject, "known", "--negatives", "negatives"),
    )


def _calibrate(subject: Subject) -> Advice | None:
    """Scores set right, where nobody has done so yet."""
    chosen = subject.chosen
    manifest, outcomes = chosen.manifest, chosen.outcomes
    if manifest.flatbuffer_bytes is None or is_calibrated(manifest.details.get("calibration", {})):
        return None
    off = float(outcomes.right.mean() - outcomes.top.mean(dtype=np.float64))
    shifted = replace(outcomes, top=np.clip(outcomes.top + np.float32(off), 0, 1))
    now, then = (
        announced(answers, chosen.labels, manifest.silent_labels, subject.threshold)
        for answers in (outcomes, shifted)
    )
    wrong = now.wrong - then.wrong
    gain = 100 * (then.named - now.named + 2 * wrong) / max(1, now.n)
    brings = f"about {_photos(gain)} in 100 more named aloud and rightly"
    if then.named < now.named:
        brings = f"of 100 photos about {_photos(100 * wrong / now.n)} fewer named wrongly"
    folders = _folders(subject)
    return Advice(
        gain,
        "calibrate it",
        f"{brings} (estimated: its scores are off by {100 * abs(off):.0f} points on average); "
        "takes seconds, and changes nothing else",
        f"pi-classifier-train calibrate {shlex.quote(str(chosen.path))} {folders}",
    )


def _sort_out_labels(subject: Subject, photos: Photos) -> Advice | None:
    """Photos that lie under two labels: one of the two is wrong."""
    if photos.findings is None:
        return None
    groups = sum(len(f.groups) for f in photos.findings.findings if f.kind in CONFLICTS)
    if not groups:
        return None
    pictures = "1 photo lies" if groups == 1 else f"{groups} photos lie"
    return Advice(
        100 * groups / len(subject.photos),
        "put photos under the right label",
        f"{pictures} under two labels, itself or as a near-duplicate (counted); each teaches "
        "something wrong",
        f"pi-classifier-train check-data {_folders(subject)}",
    )


def _fine_tune(subject: Subject) -> Advice | None:
    """Training the whole network, where only its head was trained."""
    history = subject.summary.get("history", [])
    if not subject.is_run or not history or any(row.get("phase") != "head" for row in history):
        return None
    training = sum(photo.split == "training" for photo in subject.photos)
    like = 500 if training >= MANY_TRAINING * len(subject.chosen.labels) else 30
    gain = 100 * (1 - subject.chosen.test.value) * TUNED_AWAY[like]
    return Advice(
        gain,
        "train the whole network (fine-tuning)",
        f"about {_photos(gain)} in 100 more named rightly (estimated: with {like} flower photos "
        f"of each label {100 * TUNED_AWAY[like]:.0f} of 100 mistakes went away); the Pi is as "
        "fast as before, training takes minutes to hours",
        _retrain(
            subject, "tuned", "--weights", str(subject.source), "--fine-tune", str(TUNING_EPOCHS)
        ),
    )


def _larger_network(subject: Subject) -> Advice | None:
    """The best network of at most `WORK_FACTOR` times the work, by what is published."""
    now = _network_of(subject)
    # Where nothing was wrong, a better network cannot be told from this one.
    if now is None or not subject.is_run or subject.chosen.test.value == 1:
        return None
    work = mmacs(now)
    most = min(MOST_MMACS, WORK_FACTOR * work)
    larger = [
        spec
        for name, width in PUBLISHED
        if name in ROBUST_FAMILIES and mmacs(spec := NetworkSpec(name, width, 224)) <= most
    ]
    best = max(larger, key=imagenet_top1, default=now)
    right = _likely(subject)
    gain = 100 * (_carried(right, imagenet_top1(now), imagenet_top1(best)) - right)
    return Advice(
        gain,
        f"take a larger network ({best.name} {best.width:g} at {best.resolution} pixels)",
        f"about {_photos(gain)} in 100 more named rightly (estimated from what both score on "
        f"ImageNet), for {mmacs(best) / work:.1f} times the work on the Pi",
        _retrain(subject, "larger", *_network(best)),
    )


def _carried(right: float, level: float, better: float) -> float:
    """The share right with a network of level `better` where one of `level` gives `right`."""
    odds = _log_odds(right) + CARRIED_OVER * (_log_odds(better) - _log_odds(level))
    return 1 / (1 + math.exp(-odds))


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _likely(subject: Subject) -> float:
    """The share of right answers, never 0 or 1: half a photo could still go the other way."""
    n = len(subject.chosen.outcomes.photos)
    return min(max(subject.chosen.test.value, 0.5 / n), 1 - 0.5 / n)


def _more_photos(subject: Subject, photos: Photos, more: More) -> Advice | None:
    """More photos, of the labels that need them, where the curve says that they help."""
    if more.result.forecast.doubt:
        return None
    forecast = more.result.forecast
    gain = 100 * (1 - subject.chosen.test.value) * (1 - forecast.ratio)
    how = "measured" if more.result.exact else "measured for the last layer alone"
    return Advice(
        gain,
        f"take more photos, of {_needy(subject, photos)} first",
        f"twice the photos would give about {_photos(gain)} in 100 more named rightly ({how}, see "
        "the learning curve)",
        _retrain(subject, "more"),
    )


def _needy(subject: Subject, photos: Photos) -> str:
    """The label to take photos of first: the rarest if it is very rare, else the worst found."""
    fewest = min(photos.counts, key=lambda row: row[1])
    if fewest[1] < FEW_TRAINING:
        return f"“{fewest[0]}”"
    outcomes, labels = subject.chosen.outcomes, subject.chosen.labels
    shown = np.bincount(outcomes.truth, minlength=len(labels))
    missed = np.bincount(outcomes.truth[~outcomes.right], minlength=len(labels))
    return f"“{labels[int((missed / np.maximum(shown, 1)).argmax())]}”"


def _photos(gain: float) -> str:
    """A gain as photos: to halves, as more is not known."""
    halves = round(2 * gain) / 2
    return f"{halves:g} photo{'' if halves == 1 else 's'}"


def _retrain(subject: Subject, suffix: str, *changes: str) -> str:
    """The command that trains again, into a folder of its own, with `changes`."""
    if search := subject.search_again(suffix, *changes):
        return search
    options = subject.summary.get("options", {})
    arguments = ["--output-dir", f"{subject.source}-{suffix}"]
    own = _network_of(subject)
    if own is not None and "--network" not in changes:
        arguments += _network(own)
        if "--weights" not in changes:
            arguments += _weights(subject)
    arguments += [*changes, *_same_photos(subject)]
    tuned = options.get("fine_tune")
    if tuned and "--fine-tune" not in changes:
        arguments += ["--fine-tune", str(tuned)]
    return f"pi-classifier-train retrain {_folders(subject)} {shlex.join(arguments)}"


def _same_photos(subject: Subject) -> list[str]:
    """What keeps the photos shared out as they are, and what it learned to be silent about."""
    rule, usual = subject.rule, SplitRule()
    options: list[str] = []
    for name in ("test_percent", "validation_percent", "group_by"):
        if (value := getattr(rule, name)) != getattr(usual, name):
            text = value if isinstance(value, str) else f"{value:g}"
            options += [f"--{name.replace('_', '-')}", text]
    for folder in subject.summary.get("negatives", []):
        options += ["--negatives", str(folder)]
    return options


def _network_of(subject: Subject) -> NetworkSpec | None:
    """The network of the run; None for one that is not ours, or not told."""
    stated = subject.summary.get("network")
    try:
        return NetworkSpec(**stated) if stated else None
    except (TypeError, TrainingError):
        return None


def _weights(subject: Subject) -> list[str]:
    """What the network started from, where that is not what it starts from unasked."""
    usual = RetrainOptions().weights
    # A run tells a file's name only; who has just trained knows its path.
    given = subject.options.weights or subject.summary.get("options", {}).get("weights", usual)
    return [] if given == usual else ["--weights", str(given)]


def _network(spec: NetworkSpec) -> list[str]:
    size = ["--width", f"{spec.width:g}", "--resolution", str(spec.resolution)]
    return ["--network", spec.name, *size]


def _folders(subject: Subject) -> str:
    return shlex.join(
        part for folder in subject.image_dirs for part in ("--image-dir", str(folder))
    )
