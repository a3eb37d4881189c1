"""The page and the chart of the zoo, drawn from its figures and from what networks cost."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pi_classifier_training.evaluation.boards import USUAL_MS, BoardCost, board_cost, network_work
from pi_classifier_training.evaluation.metrics import Accuracy
from pi_classifier_training.inspection.estimates import BOARDS
from pi_classifier_training.networks.imagenet import PUBLISHED
from pi_classifier_training.networks.spec import FAMILIES, NetworkSpec

from benchmarks.zoo_record import Entry, Zoo

_NONE = "–"
_COLUMNS = 110


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What others published of these photos, in percent, each on test photos of its own."""

    who: str
    network: str
    trained: str
    right: str
    int8: str = _NONE


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
            *_advice(zoo),
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
    yield from _paragraph(
        f"Networks that were trained on the same {photos.photos:,} photos of flowers "
        f"({photos.labels} labels) and measured on the same {photos.test} test photos, which no "
        "training saw and nothing was chosen by. The files were run as the Pi runs them. What the "
        "words mean: [words](../words.md); how to choose a network for `retrain`: "
        "[networks](networks.md)."
    )


def _paragraph(text: str) -> Iterator[str]:
    yield from _wrapped(text, _COLUMNS)
    yield ""


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)


def _advice(zoo: Zoo) -> Iterator[str]:
    yield "## Which network shall I take?"
    yield ""
    yield from _paragraph(
        f"For a Pi that looks 20 times a second ({USUAL_MS:g} ms a picture at the slow end of the "
        "estimate), the best of those tried here, by the validation photos:"
    )
    yield "| board | take | trained | int8 right, % (95 %) | estimated ms | file, kB |"
    yield "|---|---|---|---|---|---|"
    entries = zoo.ordered()
    for board in BOARDS:
        best = _best([e for e in entries if _cost(e, board.key).ms <= USUAL_MS])
        if best is not None:
            yield _row(board.name, *_named(best), _ms(best.network, board.key), _kb(best))
    best = _best(entries)
    if best is not None:
        yield _row("any, however long it takes", *_named(best), _NONE, _kb(best))
    yield ""
    yield from _paragraph(" ".join(_lessons(zoo)))


def _named(entry: Entry) -> tuple[str, str, str]:
    return entry.network.title, entry.training.words, _percent(entry.files["int8"].test.accuracy)


def _best(entries: Sequence[Entry]) -> Entry | None:
    """The most often right on validation photos as int8; of equal ones the cheapest."""

    def merit(entry: Entry) -> tuple[float, float]:
        return entry.files["int8"].validation.accuracy.value, -_cost(entry, "zero-2-w").ms

    return max(entries, key=merit, default=None)


def _cost(entry: Entry, board: str) -> BoardCost:
    return board_cost(entry.network, board)


def _lessons(zoo: Zoo) -> Iterator[str]:
    """What the figures say of fine-tuning, of larger pictures and of 8 bits."""
    heads = {e.network: e for e in zoo.ordered() if e.training.head_alone}
    gains = [
        (_points(entry, heads[entry.network]), entry.network.title)
        for entry in zoo.ordered()
        if entry.training.kept == "fine-tuning" and entry.network in heads
    ]
    if gains:
        least, most = min(gains), max(gains)
        yield (
            f"Fine-tuning brought {_gain(least)} to {_gain(most)}."
            if least != most
            else f"Fine-tuning brought {_gain(least)}."
        )
    sides = [
        (_points(large, small), f"{spec.name} {spec.width:g}, from 128 to 224 pixels")
        for spec, small in heads.items()
        if spec.resolution == 128
        and (large := heads.get(NetworkSpec(spec.name, spec.width, 224))) is not None
    ]
    if sides:
        yield f"Larger pictures bring much at no byte more: {_gain(max(sides))}."
    lost = [
        100 * (e.files["float32"].test.right - e.files["int8"].test.right)
        / e.files["int8"].test.n
        for e in zoo.ordered()
    ]  # fmt: skip
    if lost:
        yield (
            f"Eight bits changed the share of right answers by {-max(lost):+.1f} to "
            f"{-min(lost):+.1f} points."
        )
    yield (
        "Two networks whose intervals overlap much may well be equally good; your photos may "
        "order them in another way, and `pi-classifier-train auto` tries it out on them."
    )


def _points(better: Entry, than: Entry) -> float:
    """Percentage points between the int8 files of two networks, on the test photos."""
    return 100 * (
        better.files["int8"].test.accuracy.value - than.files["int8"].test.accuracy.value
    )


def _gain(gain: tuple[float, str]) -> str:
    return f"{gain[0]:.1f} points ({gain[1]})"


def _accuracies(zoo: Zoo) -> Iterator[str]:
    photos = zoo.photos
    yield "## How good, how large"
    yield ""
    yield "![Test photos named rightly against the work for a picture](../pictures/zoo.svg)"
    yield ""
    yield from _paragraph(
        f"Right answers in percent, of {photos.test} test photos, with the 95 % interval; *five "
        f"folds*: of all {photos.photos:,}, each named by a last layer that was fitted without it "
        "(float); it says more surely how networks differ whose last layer alone was trained. "
        "Sizes in kB; *zipped* is what gzip -9 makes of the file, and of a float file that was "
        "[rounded](rounding.md)."
    )
    yield (
        "| network | trained | float, % (95 %) | int8, % (95 %) | five folds, % (95 %) "
        "| int8, kB | zipped | float zipped | rounded zipped |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for entry in zoo.ordered():
        files = entry.files
        yield _row(
            entry.network.title,
            entry.training.words,
            _percent(files["float32"].test.accuracy),
            _percent(files["int8"].test.accuracy),
            _NONE if entry.folds is None else _percent(entry.folds.accuracy),
            _kb(entry),
            f"{files['int8'].gzip_bytes / 1000:.0f}",
            f"{files['float32'].gzip_bytes / 1000:.0f}",
            f"{files['rounded'].gzip_bytes / 1000:.0f}" if "rounded" in files else _NONE,
        )
    yield ""
    aware = [entry for entry in zoo.ordered() if "qat" in entry.files]
    if aware:
        told = "; ".join(
            f"{e.network.title} ({e.training.words}) {_percent(e.files['qat'].test.accuracy)}"
            for e in aware
        )
        yield from _paragraph(f"Trained for int8 ([how](quantizing.md)), in percent: {told}.")


def _costs(zoo: Zoo) -> Iterator[str]:
    yield "## What each costs"
    yield ""
    yield from _paragraph(
        "Work in million multiply-accumulates a picture. Times are milliseconds a picture of the "
        "int8 file on one core, from the fast to the slow end of an "
        "[estimate](inspecting.md#the-time-on-a-pi-is-an-estimate): nothing was measured on a "
        "board. *Not tried*: its published weights were not at hand; half the side is a quarter "
        "of the work and the same file."
    )
    boards = " | ".join(board.name for board in BOARDS)
    yield f"| network | work | int8, kB | {boards} | |"
    yield "|---" * (4 + len(BOARDS)) + "|"
    for spec, tried in _specs(zoo):
        work = network_work(spec, labels=zoo.photos.labels)
        yield _row(
            spec.title,
            f"{(work.dense + work.depthwise) / 1e6:.0f}",
            f"{board_cost(spec, BOARDS[0].key, labels=zoo.photos.labels).kb:.0f}",
            *(_ms(spec, board.key) for board in BOARDS),
            "" if tried else "not tried",
        )
    yield ""


def _specs(zoo: Zoo) -> Iterator[tuple[NetworkSpec, bool]]:
    """Every size that was tried; the largest size of every other network."""
    tried = {entry.network for entry in zoo.ordered()}
    for name, width in PUBLISHED:
        sides = FAMILIES[name].resolutions
        own = [NetworkSpec(name, width, side) for side in sides]
        if any(spec in tried for spec in own):
            yield from ((spec, True) for spec in own if spec in tried)
        else:
            yield own[-1], False


def _elsewhere() -> Iterator[str]:
    yield "## What others reached on these photos"
    yield ""
    yield from _paragraph(
        "Each with a training of its own and on test photos of its own, out of the 3,670 photos "
        "of the same collection: near the figures above, but not the same test."
    )
    yield "| who | network | trained | float, % | int8, % |"
    yield "|---|---|---|---|---|"
    for one in ELSEWHERE:
        yield _row(one.who, one.network, one.trained, one.right, one.int8)
    yield ""


def _commands(zoo: Zoo) -> Iterator[str]:
    yield "## To do it again"
    yield ""
    yield from _paragraph(
        "`pi-classifier-train fetch flower_photos` brings the photos. A file named after "
        "`--weights` is a [published one](networks.md#where-the-weights-come-from); `--weights "
        "imagenet` in its place downloads it, for some sizes of the picture a slightly different "
        "one."
    )
    yield "```"
    for entry in zoo.ordered():
        yield " \\\n    ".join(_command_lines(entry.training.command))
    yield "```"
    yield ""
    yield from _paragraph(
        "All last layers, all figures, this page and its chart in one go, and later only what is "
        "new: `scripts/bench zoo --image-dir flower_photos --weights-dir DIR --work WORK "
        "--runs runs`. The figures are kept in [zoo.json](zoo.json)."
    )


def _command_lines(command: str) -> Iterator[str]:
    """A command in lines, each option beside its value."""
    line, *options = command.split(" --")
    for option in options:
        if len(line) + len(option) > _COLUMNS - 8:
            yield line
            line = f"--{option}"
        else:
            line += f" --{option}"
    yield line


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _percent(share: Accuracy) -> str:
    return f"{100 * share.value:.1f} ({100 * share.low:.1f}–{100 * share.high:.1f})"


def _kb(entry: Entry) -> str:
    return f"{entry.files['int8'].size_bytes / 1000:.0f}"


def _ms(spec: NetworkSpec, board: str) -> str:
    cost = board_cost(spec, board)
    return f"{_short(cost.low_ms)}–{_short(cost.high_ms)}"


def _short(ms: float) -> str:
    return f"{ms:.0f}" if ms >= 1 else f"{ms:.1f}"
