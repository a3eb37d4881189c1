"""The page of the zoo, drawn from its figures and from what networks cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pi_classifier_training.evaluation.boards import board_cost, network_work
from pi_classifier_training.inspection.estimates import BOARDS
from pi_classifier_training.networks.imagenet import PUBLISHED
from pi_classifier_training.networks.spec import FAMILIES, NetworkSpec

from benchmarks.zoo_advice import advice, short_answer
from benchmarks.zoo_record import Entry, Zoo
from benchmarks.zoo_text import NONE, command, kb, ms, paragraph, percent, row

_SCENES = "scenes"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What others published of these photos, in percent, each on test photos of its own."""

    who: str
    network: str
    trained: str
    right: str
    int8: str = NONE


_POETS = "TensorFlow for Poets (Google's codelab)"
_ST = "STMicroelectronics, STM32 model zoo"
ELSEWHERE = (
    Elsewhere(_POETS, "mobilenet_v1 0.25/128", "last layer alone, its script", "77.3"),
    Elsewhere(_POETS, "mobilenet_v1 0.25/224", "last layer alone, its script", "84.4"),
    Elsewhere(_POETS, "mobilenet_v1 0.5/224", "last layer alone, its text", "90.9"),
    Elsewhere(_ST, "mobilenet_v1 0.25/96", "fine-tuned", "87.5", "87.1"),
    Elsewhere(_ST, "mobilenet_v1 0.25/224", "from scratch", "88.8", "89.4"),
    Elsewhere(_ST, "mobilenet_v1 0.25/224", "fine-tuned", "93.1", "92.1"),
    Elsewhere(_ST, "mobilenet_v1 0.5/224", "fine-tuned", "95.1", "94.4"),
)


def page(zoo: Zoo) -> str:
    """The page in Markdown."""
    return "\n".join(
        [
            *_opening(zoo),
            *advice(zoo),
            *_accuracies(zoo),
            *_costs(zoo),
            *_elsewhere(),
            *_commands(zoo),
        ]
    )


def _opening(zoo: Zoo) -> Iterator[str]:
    photos = zoo.photos
    yield "# The model zoo"
    yield ""
    yield "<!-- Drawn from zoo.json by `scripts/bench zoo`: change nothing here by hand. -->"
    yield ""
    yield from short_answer(zoo)
    yield from paragraph(
        f"These networks were trained on the same {photos.photos:,} photos of flowers "
        f"({photos.labels} labels) and measured on the same {photos.test} test photos, which no "
        "training saw and nothing was chosen by. The files were run as the Pi runs them; nothing "
        "was measured on a board. *0.35/224* is the width and the side of the picture in pixels. "
        "What the words mean: [words](../words.md); how to choose a network for `retrain`: "
        "[networks](networks.md)."
    )


def _accuracies(zoo: Zoo) -> Iterator[str]:
    photos = zoo.photos
    yield "## How good, how large"
    yield ""
    yield "![Test photos named rightly against the time on a Pi Zero 2 W](../pictures/zoo.svg)"
    yield ""
    yield from paragraph(
        "Higher is more often right, further left is faster; the numbers are the sides of the "
        "picture. Hollow points are networks whose last layer alone was trained, filled ones were "
        "trained as a whole. The pale bars are the intervals: where two overlap much, either may "
        "be the better one."
    )
    yield from paragraph(
        f"Right answers in percent, of {photos.test} test photos, with the 95 % interval; *five "
        f"folds*: of all {photos.photos:,}, each named by a last layer that was fitted without it "
        "(float); it says more surely how networks differ whose last layer alone was trained. "
        "Sizes in kB, in brackets what gzip -9 makes of the file."
    )
    yield (
        "| network | trained | float, % (95 %) | int8, % (95 %) | five folds, % (95 %) "
        "| float, kB (zipped) | int8, kB (zipped) |"
    )
    yield "|---|---|---|---|---|---|---|"
    for entry in zoo.ordered():
        float_file, int8 = entry.files["float32"], entry.files["int8"]
        yield row(
            entry.network.title,
            _trained(entry),
            percent(float_file.test.accuracy),
            percent(int8.test.accuracy),
            NONE if entry.folds is None else percent(entry.folds.accuracy),
            f"{kb(float_file.size_bytes)} ({kb(float_file.gzip_bytes)})",
            f"{kb(int8.size_bytes)} ({kb(int8.gzip_bytes)})",
        )
    yield ""
    yield from _further_files(zoo)


def _trained(entry: Entry) -> str:
    words = entry.training.words
    return words if entry.training.head_alone else f"`{entry.name}`: {words}"


def _further_files(zoo: Zoo) -> Iterator[str]:
    """The files that some runs have beside the usual two."""
    kinds = {
        "qat": "Trained for int8 ([how](quantizing.md))",
        "rounded": "[Rounded](rounding.md) float files",
    }
    for kind, title in kinds.items():
        told = [
            f"{entry.network.title} ({entry.training.words}) {percent(file.test.accuracy)}, "
            f"{kb(file.gzip_bytes)} kB zipped"
            for entry in zoo.ordered()
            if (file := entry.files.get(kind)) is not None
        ]
        if told:
            yield from paragraph(f"{title}, in percent: {'; '.join(told)}.")


def _costs(zoo: Zoo) -> Iterator[str]:
    yield "## What each costs"
    yield ""
    yield from paragraph(
        "Work in million multiply-accumulates (MACs) a picture. Times are milliseconds a picture "
        "of the int8 file on one core, from the fast to the slow end of an "
        "[estimate](inspecting.md#the-time-on-a-pi-is-an-estimate). *Not tried*: its published "
        "weights were not at hand, its size is an estimate too; half the side is a quarter of "
        "the work and the same file."
    )
    boards = " | ".join(board.name for board in BOARDS)
    yield f"| network | work | int8, kB | {boards} | |"
    yield "|---" * (4 + len(BOARDS)) + "|"
    sizes = {e.network: kb(e.files["int8"].size_bytes) for e in reversed(zoo.ordered())}
    for spec in _specs(set(sizes)):
        work = network_work(spec, labels=zoo.photos.labels)
        estimated = board_cost(spec, BOARDS[0].key, labels=zoo.photos.labels)
        yield row(
            spec.title,
            f"{(work.dense + work.depthwise) / 1e6:.0f}",
            sizes.get(spec, f"{estimated.kb:.0f}"),
            *(ms(spec, board.key) for board in BOARDS),
            "" if spec in sizes else "not tried",
        )
    yield ""


def _specs(tried: Collection[NetworkSpec]) -> Iterator[NetworkSpec]:
    """Every size that was tried; the largest size of every other network."""
    for name, width in PUBLISHED:
        own = [NetworkSpec(name, width, side) for side in FAMILIES[name].resolutions]
        yield from [spec for spec in own if spec in tried] or own[-1:]


def _elsewhere() -> Iterator[str]:
    yield "## What others reached on these photos"
    yield ""
    yield from paragraph(
        "Each with a training of its own and on test photos of its own, out of the 3,670 photos "
        "of the same collection: near the figures above, but not the same test."
    )
    yield "| who | network | trained | float, % | int8, % |"
    yield "|---|---|---|---|---|"
    for one in ELSEWHERE:
        yield row(one.who, one.network, one.trained, one.right, one.int8)
    yield ""


def _commands(zoo: Zoo) -> Iterator[str]:
    yield "## To do it again"
    yield ""
    yield from paragraph(
        "`pi-classifier-train fetch flower_photos` brings the photos. A file named after "
        "`--weights` is a [published one](networks.md#where-the-weights-come-from); `--weights "
        "imagenet` in its place downloads it, for some sizes of the picture a slightly different "
        "one."
    )
    heads = [entry for entry in zoo.ordered() if entry.training.head_alone]
    tuned = sorted(
        (entry for entry in zoo.ordered() if not entry.training.head_alone),
        key=lambda entry: _lessons_before(entry, zoo),
    )
    yield from _listed(heads)
    if tuned:
        yield from paragraph(" ".join(["Those trained as a whole.", *_further_photos(tuned)]))
        yield from _listed(tuned)
    yield from paragraph(
        "All last layers, all figures, this page and its chart in one go, and later only what is "
        "new: `scripts/bench zoo --image-dir flower_photos --weights-dir DIR --work WORK "
        "--runs runs`. The figures are kept in [zoo.json](zoo.json)."
    )


def _lessons_before(entry: Entry, zoo: Zoo) -> int:
    """How many trainings must be done before this one, teacher by teacher."""
    teachers = [zoo.entries[name] for name in entry.training.teachers if name in zoo.entries]
    return max((1 + _lessons_before(teacher, zoo) for teacher in teachers), default=0)


def _listed(entries: Sequence[Entry]) -> Iterator[str]:
    yield "```"
    for entry in entries:
        yield command(entry.training.command)
    yield "```"
    yield ""


def _further_photos(entries: Sequence[Entry]) -> Iterator[str]:
    """Where the photos beside the flowers, and the teachers, come from."""
    if any(entry.training.teachers for entry in entries):
        yield "`--teacher` names the run of another command here, which comes first."
    if any(_SCENES in entry.training.data.split(" + ") for entry in entries):
        yield (
            f"`{_SCENES}` is what `pi-classifier-train render-scenes --output-dir {_SCENES} "
            "--per-label 100 --background 300` draws."
        )
    if any(entry.training.negatives for entry in entries):
        yield (
            "`negatives` are photos without flowers, a sub-folder for each place where they were "
            "taken ([how](unknown.md)); other ones than those used here give other figures."
        )
