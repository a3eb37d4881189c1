"""What the zoo's figures say to somebody who looks for a network: which to take, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pi_classifier_training.evaluation.boards import USUAL_MS
from pi_classifier_training.inspection.estimates import BOARDS
from pi_classifier_training.networks.spec import NetworkSpec

from benchmarks.zoo_record import Entry, Zoo
from benchmarks.zoo_text import NONE, command, cost, kb, ms, paragraph, percent, row

_USUAL_BOARD = BOARDS[0]


def short_answer(zoo: Zoo) -> Iterator[str]:
    """Which network to take on the board that most have, and the command for it."""
    best = _best(_fitting(zoo.ordered(), _USUAL_BOARD.key))
    if best is None:
        return
    network, file = best.network, best.files["int8"]
    yield from paragraph(
        f"**On a {_USUAL_BOARD.name} take {network.title}** (the network {network.name}, width "
        f"{network.width:g}, looking at {network.resolution} pixels): it named "
        f"{100 * file.test.accuracy.value:.0f} of 100 test photos rightly, in an estimated "
        f"{ms(network, _USUAL_BOARD.key, ' to ')} ms a picture, and its file has "
        f"{kb(file.size_bytes)} kB. With your own photos:"
    )
    tuned = "" if best.training.head_alone else f" --fine-tune {best.training.epochs}"
    yield "```"
    yield command(
        "pi-classifier-train retrain --image-dir photos --output-dir run --network "
        f"{network.name} --width {network.width:g} --resolution {network.resolution}{tuned}"
    )
    yield "```"
    yield ""
    yield from paragraph(
        "That trains the last layer alone, in minutes; `--fine-tune 10` after it trains all "
        "layers, for minutes to hours, and is usually some points better."
        if best.training.head_alone
        else "That trains all layers, for hours; without `--fine-tune` it trains the last layer "
        "alone, in minutes. The one measured was trained with further options: see "
        "[its command](#to-do-it-again)."
    )


def advice(zoo: Zoo) -> Iterator[str]:
    """The best network for each board, and what the figures say of training."""
    yield "## Which network shall I take?"
    yield ""
    yield from paragraph(
        f"For a Pi that looks 20 times a second ({USUAL_MS:g} ms a picture at the slow end of the "
        "estimate), the best of those tried here, by the validation photos; where that one was "
        "trained for hours, the best that was trained in minutes below it:"
    )
    yield "| board | take | trained | int8 right, % (95 %) | estimated ms | file, kB |"
    yield "|---|---|---|---|---|---|"
    entries = zoo.ordered()
    for board in BOARDS:
        for best in _best_two(_fitting(entries, board.key)):
            yield _advised(board.name, best, ms(best.network, board.key))
    for best in _best_two(entries):
        yield _advised("any, however long it takes", best, NONE)
    yield ""
    yield from paragraph(" ".join(_lessons(zoo)))


def _advised(board: str, best: Entry, times: str) -> str:
    file = best.files["int8"]
    right = percent(file.test.accuracy)
    return row(board, best.network.title, best.training.words, right, times, kb(file.size_bytes))


def _fitting(entries: Sequence[Entry], board: str) -> list[Entry]:
    return [entry for entry in entries if cost(entry.network, board).ms <= USUAL_MS]


def _best_two(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The best, and the best of which no more than the head was trained."""
    best = _best(entries)
    if best is not None:
        yield best
        quick = _best([entry for entry in entries if entry.training.head_alone])
        if quick is not None and quick != best:
            yield quick


def _best(entries: Sequence[Entry]) -> Entry | None:
    """The most often right on validation photos as int8; of equal ones the cheapest."""

    def merit(entry: Entry) -> tuple[float, float]:
        return entry.files["int8"].validation.accuracy.value, -cost(entry.network).ms

    return max(entries, key=merit, default=None)


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
        span = _gain(least) if least == most else f"{_gain(least)} to {_gain(most)}"
        yield f"Fine-tuning, with the teachers and photos named below, brought {span}."
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
            f"Eight bits changed the share of right answers by {_signed(-max(lost))} to "
            f"{_signed(-min(lost))} points."
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


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")
