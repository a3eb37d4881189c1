"""The report's sentences: what the figures mean, in words a teacher understands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pi_classifier_training.evaluation.announcing import counted, of_100
from pi_classifier_training.evaluation.metrics import Accuracy, LabelFigures

# Fewer photos of a label than this say little about it.
FEW_PHOTOS = 20
# With fewer test photos the interval of the accuracy spans half of all there is, or more.
FEWEST_PHOTOS = 10
SEEN_PERHAPS = (
    "These photos were held out by their names. Whether the model was trained on them elsewhere "
    "is not known: if it was, it does worse on new ones."
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two labels taken for each other: `forward` photos of the first were named the second,
    `backward` the other way round; `photos` show either.
    """

    first: str
    second: str
    forward: int
    backward: int
    photos: int

    @property
    def total(self) -> int:
        return self.forward + self.backward


def confused_pairs(
    cells: Sequence[tuple[int, int, int]], labels: Sequence[str], count: int
) -> list[Pair]:
    """The pairs of labels confused most often, from (true, given, count) entries."""
    shown = [0] * len(labels)
    both: dict[tuple[int, int], list[int]] = {}
    for true, given, n in cells:
        shown[true] += n
        if true != given:
            entry = both.setdefault((min(true, given), max(true, given)), [0, 0])
            entry[0 if true < given else 1] += n
    pairs = []
    for (a, b), (forward, backward) in both.items():
        # The direction that happens more often is told first.
        first, second = (a, b) if forward >= backward else (b, a)
        counts = (max(forward, backward), min(forward, backward))
        pairs.append(Pair(labels[first], labels[second], *counts, shown[a] + shown[b]))
    pairs.sort(key=lambda p: (-p.total, p.first, p.second))
    return pairs[:count]


def accuracy_sentence(accuracy: Accuracy, n: int) -> str:
    """How many of 100 new photos are named rightly."""
    low, high = f"{100 * accuracy.low:.0f}", f"{100 * accuracy.high:.0f}"
    right = of_100(accuracy.value)
    if n < FEWEST_PHOTOS:
        return (
            f"How good it is nobody can tell from {counted(n)} kept aside ({right} of 100 right, "
            f"perhaps {low}, perhaps {high}): take more photos."
        )
    return (
        f"Of 100 new photos about {right} are named rightly (between {low} and "
        f"{high}; measured on {counted(n)} kept aside)."
    )


def confusion_sentence(pairs: Sequence[Pair]) -> str:
    """Which two labels are confused most."""
    if not pairs:
        return "No two labels were confused on the photos kept aside."
    pair = pairs[0]
    text = f"“{pair.first}” and “{pair.second}” are confused most: "
    text += f"{counted(pair.forward)} of “{pair.first}” {_was(pair.forward)} named “{pair.second}”"
    if pair.backward:
        text += f", {pair.backward} the other way round"
    return f"{text} (of {counted(pair.photos)} of the two)."


def _was(n: int) -> str:
    return "was" if n == 1 else "were"


def more_photos_sentence(right: float, ratio: float, interval: tuple[float, float]) -> str:
    """What twice the photos would do to a model that is right on a share `right`.

    `ratio` is the share of its mistakes that would remain, `interval` its 95 % interval.
    """
    now = 100 * right
    then, worst, best = (100 - (100 - now) * r for r in (ratio, interval[1], interval[0]))
    if then - now < 0.5:
        return (
            f"More photos like these would hardly help: twice as many give {then:.1f} of 100 "
            f"(between {worst:.1f} and {best:.1f}) instead of {now:.1f}."
        )
    return (
        f"Twice the photos would give about {then:.0f} of 100 (between {worst:.0f} and "
        f"{best:.0f}) instead of {now:.0f}."
    )


def head_sentence(error: float, ratio: float, interval: tuple[float, float]) -> str:
    """What twice the photos would do to a head, where the model is more than a head."""
    then, least, most = (100 * error * r for r in (ratio, *interval))
    return (
        f"With twice the photos the last layer alone would make about {then:.1f} mistakes in 100 "
        f"(between {least:.1f} and {most:.1f}) instead of {100 * error:.1f}. Your network was "
        "trained as a whole, which as a rule gains more from more photos; how much more was not "
        "measured."
    )


def copy_sentence(name: str, size_bytes: int) -> str:
    """Which file to copy."""
    return f"Copy {name} ({kilobytes(size_bytes)}) to the Raspberry Pi."


def kilobytes(size_bytes: int) -> str:
    """A size for people: ``320 kB``, ``1.3 MB``."""
    if size_bytes < 999_500:
        return f"{max(1, round(size_bytes / 1000))} kB"
    return f"{size_bytes / 1_000_000:.1f} MB"


def label_words(label: str, figures: LabelFigures) -> str:
    """One label's precision and recall in a sentence."""
    if figures.recall is None:
        return "No photo of it was kept aside, so nothing is known."
    text = f"Of 100 photos of “{label}” {of_100(figures.recall)} are recognized; "
    if figures.precision is None:
        text += f"“{label}” was never the answer."
    else:
        text += (
            f"when the answer is “{label}”, it is right {of_100(figures.precision)} times in 100."
        )
    if figures.n < FEW_PHOTOS:
        text += f" Only {counted(figures.n)} to judge by."
    return text


def calibration_sentence(error: float, mean_score: float, right: float) -> str:
    """How far a score can be taken at its word."""
    if error < 0.03:
        return "The scores can be taken at their word: of answers with 80 %, about 80 % are right."
    if mean_score > right:
        return (
            f"The scores promise too much, by {100 * error:.0f} points on average: the model is "
            "surer than it should be."
        )
    return (
        f"The scores are too modest, by {100 * error:.0f} points on average: the model is right "
        "more often than it believes."
    )


def is_calibrated(calibration: Mapping[str, Any]) -> bool:
    """Whether a file's entry says that its scores were set right: every file has one."""
    return "n" in calibration or calibration.get("temperature", 1.0) != 1.0


def calibrated_sentence(calibration: Mapping[str, Any]) -> str:
    """Whether the scores were calibrated, on how many photos, and which way that went."""
    if not is_calibrated(calibration):
        return (
            "They are as the network gives them: 'pi-classifier-train calibrate' corrects scores "
            "in a file, in seconds."
        )
    temperature, n = float(calibration["temperature"]), int(calibration.get("n", 0))
    text = "They were calibrated" + (f" on {counted(n)} for validation" if n else "")
    if abs(temperature - 1) < 0.005:
        return f"{text}, and needed no change."
    before = "too modest" if temperature < 1 else "surer than they should be"
    return f"{text}; before, they were {before} (temperature {temperature:.2f})."


def course_sentences(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What each phase of training came to on validation photos, and which was kept."""
    phases: dict[str, list[Mapping[str, Any]]] = {}
    for row in history:
        phases.setdefault(str(row.get("phase", "training")), []).append(row)
    for phase, rows in phases.items():
        best = next((row for row in rows if row.get("kept")), rows[-1])
        if "validation_accuracy" in best:
            yield f"{_phase(phase, len(rows))}: {_right(best)} of 100 validation photos right."
    kept = next((row for row in history if row.get("kept")), None)
    if kept is not None and kept.get("phase") != history[-1].get("phase"):
        yield (
            "That was no better, so the network was kept as it was before. More photos, a lower "
            "--rate or fewer --blocks may help."
        )


def _phase(phase: str, epochs: int) -> str:
    lasted = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    known = {
        "head": "A new last layer behind the published network",
        "earlier run": "The earlier run it began with",
        "fine-tuning": f"Then the whole network, fine-tuned for {lasted}",
        "scratch": f"The whole network, trained from nothing for {lasted}",
    }
    return known.get(phase, f"Training for {lasted}")


def _right(row: Mapping[str, Any]) -> str:
    return f"{100 * float(row['validation_accuracy']):.1f}"
