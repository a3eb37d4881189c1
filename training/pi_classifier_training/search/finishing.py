"""The end of a search: what is chosen of the finalists, delivered, and told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier_training.inspection.estimates import board_called
from pi_classifier_training.reporting.copying import copy_lines
from pi_classifier_training.search.candidates import Candidate
from pi_classifier_training.search.choice import Choice, Limits, choose, option_of
from pi_classifier_training.search.delivery import COPY_FOLDER, Order, deliver
from pi_classifier_training.search.options import AutoOptions
from pi_classifier_training.search.plan import Tried
from pi_classifier_training.search.search import Budget, Subject
from pi_classifier_training.search.trials import TrialResult

# Training for 8 bits takes about so many seconds and epochs.
_AWARE_S, _AWARE_EPOCHS = 60.0, 4


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """What `auto` ends with: all it tried, what was chosen, and the record of the delivery."""

    tried: tuple[Tried, ...]
    choice: Choice
    record: Mapping[str, Any]
    folder: Path


def finish(
    finalists: Sequence[Tried],
    tried: Sequence[Tried],
    subject: Subject,
    options: AutoOptions,
    budget: Budget,
) -> Finished:
    """Choose one of the finalists, or two as a cascade, and deliver it beside the search.

    Raises TrainingError and DatasetError.
    """
    by_name = {t.candidate.title: t for t in finalists}
    limits = Limits(options.max_ms, options.max_kb)
    choice = choose(
        [
            option_of(name, t.candidate.cost.ms, t.candidate.cost.kb, *t.result.scores())
            for name, t in by_name.items()
        ],
        limits,
    )
    chosen = [by_name[option.name].result for option in choice.options]
    output_dir = subject.folder.parent
    order = Order(
        tuple(Path(str(result.run)) for result in chosen),
        subject.image_dirs,
        output_dir.resolve().name,
        options.board,
        options.negatives,
        limits,
        choice.max_loss,
        budget.total_s - budget.now_s() > budget.reserve_s + _aware_s(chosen),
    )
    return Finished(tuple(tried), choice, deliver(order, output_dir), output_dir)


def _aware_s(chosen: Sequence[TrialResult]) -> float:
    return sum(_AWARE_S + _AWARE_EPOCHS * (result.epoch_s or 0.0) for result in chosen)


def closing_lines(finished: Finished) -> Iterator[str]:
    """What people are told at the end: how good it is, what was tried, how to copy it."""
    record = finished.record
    yield from _verdict(record)
    yield ""
    yield from _table(finished.tried, record["board"])
    yield ""
    yield f"Chosen: {' and '.join(option.name for option in finished.choice.options)}."
    yield f"  {finished.choice.reason}."
    for model in record["models"]:
        yield from (f"  {model['file']}: {note}." for note in model["notes"])
    yield ""
    yield from _copying(finished.folder / COPY_FOLDER, record)


def _verdict(record: Mapping[str, Any]) -> Iterator[str]:
    test = record["test"]
    low, high = test["top1_interval"]
    yield (
        f"{record['name']} gets {_percent(test['top1'])} of {test['n']} test photos right "
        f"({_percent(low)} to {_percent(high)} are likely on other photos like these), in "
        f"{record['low_ms']:.0f} to {record['high_ms']:.0f} ms a picture on a "
        f"{board_called(record['board']).name} (estimated), with {record['kb']:.0f} kB."
    )
    said = test["said"]
    if said["n"]:
        yield (
            f"Of {said['n']} test photos that show something to announce, it would announce "
            f"{said['named']}, {said['wrong']} of them wrongly."
        )


def _table(tried: Sequence[Tried], board: str) -> Iterator[str]:
    by_candidate: dict[Candidate, list[TrialResult]] = {}
    for one in tried:
        by_candidate.setdefault(one.candidate, []).append(one.result)
    yield f"Tried, by validation photos right (ms: estimated on a {board_called(board).name}):"
    yield f"{'network':<24} {'size':>4} {'frozen':>7} {'tuned':>7} {'ms':>5} {'kB':>6}"
    for candidate in sorted(by_candidate, key=lambda c: c.cost.ms):
        made = [r for r in by_candidate[candidate] if not r.dropped]
        # Those who saw some photos only were measured on some only.
        heads = [r for r in made if not r.spec.epochs]
        frozen = [r for r in heads if r.spec.photos is None] or heads
        tuned = [r for r in made if r.spec.epochs]
        network = f"{candidate.network.name} {candidate.network.width:g}"
        yield (
            f"{network:<24} {candidate.network.resolution:>4} {_best(frozen):>7} "
            f"{_best(tuned):>7} {candidate.cost.ms:>5.0f} {candidate.cost.kb:>6.0f}"
        )


def _best(results: Sequence[TrialResult]) -> str:
    return _percent(max(r.accuracy for r in results)) if results else "–"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _copying(folder: Path, record: Mapping[str, Any]) -> Iterator[str]:
    lines = copy_lines(folder, record["name"], record["threshold"])
    yield f"Copy it to the Pi: {lines.send}"
    yield f"Try it there:      {lines.attempt}"
    yield "Keep it there:"
    yield from (f"  {line}" for line in lines.keep.splitlines())
    yield "and in /etc/pi-classifier/config.toml:"
    yield from (f"  {line}" for line in lines.settings.splitlines())
