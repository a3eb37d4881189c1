"""How good the shipped models are, beside what they are meant to reach.

Every file is run as it is shipped, through the device's own classifier, on photos that it was
not trained on: its test photos, and the validation photos, by which only choices were made.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.evaluation.false_announcements import (
    ask,
    known_answers,
    share_interval,
)
from pi_classifier_training.evaluation.held_out import SplitChoice, chosen_photos
from pi_classifier_training.evaluation.metrics import Accuracy, wilson
from pi_classifier_training.evaluation.scoring import Outcomes, classify_photos
from pi_classifier_training.evaluation.timing import frame_ms, network_ms
from pi_classifier_training.evaluation.unknown_photos import unknown_photos
from pi_classifier_training.progress import with_progress
from pi_classifier_training.search.delivered_figures import models_of

from benchmarks.garden import Tour, together, tour
from pi_classifier.decision import SmootherSettings
from pi_classifier.inference.classifier import model_files, open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.locate import CASCADE
from pi_classifier.system.files import write_json
from pi_classifier.types import Classifier

MODELS = Path(__file__).resolve().parents[1] / "models/flowers"
FILES = {
    "fast": "fast.tflite",
    "accurate": "accurate.tflite",
    "cascade": CASCADE,
    "fast-rounded": "fast-rounded.tflite",
}
# The score from which the device announces a label, unless it is told otherwise.
THRESHOLD = SmootherSettings().threshold_high


@dataclass(frozen=True, slots=True)
class Aim:
    """What is to be reached, what was measured, and whether that is enough."""

    aim: str
    measured: str
    reached: bool

    def __str__(self) -> str:
        return f"{self.aim:62} {self.measured:30} {'reached' if self.reached else 'MISSED'}"


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians of this run in milliseconds; `deferral` is the share that fast passes on."""

    fast_network: float
    accurate_network: float
    fast_frame: float
    accurate_frame: float
    deferral: float

    @property
    def fast(self) -> tuple[float, float]:
        """Fast as a share of accurate: the network alone, the whole path."""
        return self.fast_network / self.accurate_network, self.fast_frame / self.accurate_frame

    @property
    def cascade(self) -> tuple[float, float]:
        """A frame of the cascade as a share of accurate's."""
        network, frame = self.fast
        return network + self.deferral, frame + self.deferral


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Everything the table and the aims are read from, by the names of `FILES`.

    `right` are shares of photos by the title of their column.
    """

    kb: dict[str, float]
    right: dict[str, dict[str, tuple[Accuracy, int]]]
    rightly: dict[str, tuple[Accuracy, int]]
    falsely: dict[str, tuple[Accuracy, int]]
    costs: Costs
    words: tuple[str, ...]


def measured(
    classifiers: dict[str, Classifier],
    folder: Path,
    photos: Path,
    negatives: Path,
    others: Path | None,
) -> Measured:
    """Run all models on all photos. Raises DatasetError and ModelError."""
    files = [file for classifier in classifiers.values() for file in model_files(classifier)]
    wanted: list[tuple[str, Path, SplitChoice]] = [
        ("test", photos, "auto"), ("validation", photos, "validation"),
    ]  # fmt: skip
    wanted += [("others", others, "auto")] if others is not None else []
    outcomes: dict[str, list[Outcomes]] = {}
    words = []
    for title, place, split in wanted:
        chosen = chosen_photos(files, [place], split)
        words.append(f"{title}: {place.name}, {chosen.record()['photos']['words']}")
        outcomes[title] = _classified(classifiers, chosen.photos)
    nothing = unknown_photos(list(classifiers.values()), [negatives])
    words.append(f"falsely: {len(nothing.photos)} photos of nothing, of places never learned from")
    announced = ask(list(classifiers.values()), nothing.photos, _progress)
    falsely = {}
    for name, answers in zip(classifiers, announced, strict=True):
        spoken = answers.scores >= THRESHOLD
        interval = share_interval(spoken, nothing.chosen(answers.photos))
        falsely[name] = Accuracy(float(spoken.mean()), *interval), len(spoken)
    test = dict(zip(classifiers, outcomes["test"], strict=True))
    return Measured(
        {name: (folder / FILES[name]).stat().st_size / 1000 for name in classifiers},
        {
            title: {
                name: _share(one.right) for name, one in zip(classifiers, answers, strict=True)
            }
            for title, answers in outcomes.items()
        },
        {name: _announced_rightly(classifiers[name], one) for name, one in test.items()},
        falsely,
        _costs(classifiers, float((test["cascade"].stages > 0).mean())),
        tuple(words),
    )


def _progress(photos: Sequence[Photo]) -> Iterator[Photo]:
    return iter(with_progress("photos", photos))


def _classified(classifiers: dict[str, Classifier], photos: Sequence[Photo]) -> list[Outcomes]:
    return classify_photos(list(classifiers.values()), photos, _progress)


def _share(hits: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Accuracy, int]:
    return wilson(int(hits.sum()), len(hits)), len(hits)


def _announced_rightly(classifier: Classifier, outcomes: Outcomes) -> tuple[Accuracy, int]:
    scores = known_answers(classifier, outcomes).scores
    return _share((scores >= THRESHOLD) & outcomes.right)


def _costs(classifiers: dict[str, Classifier], deferral: float) -> Costs:
    pair = [c for n in ("fast", "accurate") for c in models_of(classifiers[n])]
    (fast, accurate), (fast_frame, accurate_frame) = network_ms(pair), frame_ms(pair)
    return Costs(fast, accurate, fast_frame, accurate_frame, deferral)


def table(result: Measured) -> Iterator[str]:
    """A line for each model."""
    titles = list(result.right)
    head = "".join(f"{title:>26}" for title in (*titles, "announced rightly", "falsely"))
    yield f"{'':14}{'kB':>6}{head}"
    for name, kb in result.kb.items():
        shares = [result.right[title][name] for title in titles]
        shares += [result.rightly[name], result.falsely[name]]
        size = "" if name == "cascade" else f"{kb:.0f}"
        yield f"{name:14}{size:>6}" + "".join(f"{_text(*share):>26}" for share in shares)
    costs = result.costs
    for title, (network, frame) in (("fast", costs.fast), ("cascade", costs.cascade)):
        yield (
            f"{title} takes {network:.1%} of accurate's time, network alone; {frame:.1%} of it, "
            "whole path of a 640×480 frame"
        )
    yield (
        f"medians, ms: network {costs.fast_network:.3f} and {costs.accurate_network:.3f}, whole "
        f"path {costs.fast_frame:.3f} and {costs.accurate_frame:.3f}; "
        f"{costs.deferral:.1%} of the test photos are passed on"
    )
    yield from result.words


def _text(share: Accuracy, n: int) -> str:
    return f"{share.value:.1%} ({share.low:.1%}–{share.high:.1%}) {n}".replace("%", "")


def aims(result: Measured) -> Iterator[Aim]:
    """What the pair is meant to reach on photos, in time and in size."""
    for title, right in result.right.items():
        shares = {name: 100 * share.value for name, (share, _) in right.items()}
        for name, least in (("fast", 89.0), ("accurate", 94.5)):
            reached = shares[name] >= least
            yield Aim(
                f"{name} gets ≥ {least:g} % right, {title}", f"{shares[name]:.1f} %", reached
            )
        lost = shares["accurate"] - shares["cascade"]
        text = f"{lost:.1f} points"
        yield Aim(f"cascade ≤ 0.3 points below accurate, {title}", text, round(lost, 6) <= 0.3)
    costs = result.costs
    for name, limit, ratios in (("cascade", 35, costs.cascade), ("fast", 12, costs.fast)):
        for what, ratio in zip(("network alone", "whole path"), ratios, strict=True):
            aim = f"{name} ≤ {limit} % of accurate's time, {what}"
            yield Aim(aim, f"{ratio:.1%}", 100 * ratio <= limit)
    for name, most in (("fast", 330), ("accurate", 2200)):
        kb = result.kb[name]
        yield Aim(f"{name} ≤ {most} kB", f"{kb:.0f} kB", kb <= most)
    rightly, falsely = result.rightly["accurate"][0].value, result.falsely["accurate"][0].value
    yield Aim("accurate announces ≥ 90 % of flowers rightly", f"{rightly:.1%}", rightly >= 0.9)
    for name in ("accurate", "cascade"):
        falsely = result.falsely[name][0].value
        yield Aim(f"{name} announces ≤ 3 % of nothing", f"{falsely:.1%}", falsely <= 0.03)


def garden_aims(whole: Tour, alone: Tour) -> Iterator[Aim]:
    """The same of the rendered garden, by the cascade and by accurate alone."""
    share = whole.right / whole.flowers
    text = f"{share:.1%} of {whole.flowers}"
    yield Aim("garden: ≥ 98 % of scenes announced once and rightly", text, share >= 0.98)
    text = f"{whole.false} on {whole.grounds}"
    yield Aim("garden: nothing announced on empty ground", text, whole.false == 0)
    text = f"{whole.first_stage:.0%}; {whole.ms:.1f} ms, alone {alone.ms:.1f} ms"
    yield Aim("garden: frames cost less than with accurate alone", text, whole.ms < alone.ms)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(prog="scripts/bench shipped", description=__doc__)
    made.add_argument("photos", type=Path, metavar="PHOTOS", help="flowers, a folder each")
    made.add_argument("negatives", type=Path, metavar="NEGATIVES", help="places without any")
    made.add_argument(
        "--models", type=Path, default=MODELS, metavar="DIR", help="default: models/flowers"
    )
    made.add_argument(
        "--others", type=Path, metavar="DIR", help="photos of flowers from elsewhere"
    )
    made.add_argument("--first", type=int, default=401, help="first seed of the garden (401)")
    made.add_argument("--seeds", type=int, default=15, help="so many gardens; 0: none (15)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the aims there")
    return made


def run(arguments: argparse.Namespace) -> None:
    """Measure, and print the table and the aims."""
    with ExitStack() as stack:
        classifiers = {}
        for name, file in FILES.items():
            if (arguments.models / file).is_file():
                settings = ModelSettings(path=str(arguments.models / file), cache_dir="", top_k=0)
                classifiers[name] = stack.enter_context(closing(open_classifier(settings)))
        result = measured(
            classifiers,
            arguments.models,
            arguments.photos,
            arguments.negatives,
            arguments.others,
        )
    print("\n".join(table(result)), "\n", flush=True)
    reached = list(aims(result))
    print("\n".join(map(str, reached)), flush=True)
    if arguments.seeds:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        whole, alone = (
            together([tour(str(arguments.models / FILES[name]), seed) for seed in seeds])
            for name in ("cascade", "accurate")
        )
        ours = list(garden_aims(whole, alone))
        print("\n".join([*map(str, ours), *whole.mistakes]))
        reached += ours
    if arguments.json is not None:
        write_json(arguments.json, {"aims": [asdict(aim) for aim in reached]})
