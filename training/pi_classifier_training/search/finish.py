"""From what a search found to the folder that is copied, its report and the words about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pi_classifier_training.evaluation.boards import board_cost
from pi_classifier_training.evaluation.thresholds import ThresholdPolicy
from pi_classifier_training.inspection.estimates import board_called
from pi_classifier_training.progress import Overall
from pi_classifier_training.reporting.page import Section
from pi_classifier_training.search.candidates import Candidate
from pi_classifier_training.search.choice import Choice, Limits, choose, option_of
from pi_classifier_training.search.delivery import deliver
from pi_classifier_training.search.delivery_report import figure_lines, report_on, report_options
from pi_classifier_training.search.options import AutoOptions
from pi_classifier_training.search.order import Order
from pi_classifier_training.search.plan import BestAccuracies, Speed, Tried
from pi_classifier_training.search.trials import (
    RUN_FOLDER,
    TrialResult,
    run_trial,
)

# An epoch with simulated rounding takes about so many ordinary ones.
QUANTIZATION_AWARE_EPOCHS = 2.0


@dataclass(frozen=True, slots=True)
class ChosenRow:
    """A network of the table of what was tried; shares and times as text."""

    network: str
    frozen: str
    tuned: str
    ms: str
    size_bytes: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the report says of the choice: the networks' titles, and why these.

    `figures` are sentences on the test photos, `board` the Raspberry Pi's name.
    """

    chosen: str
    reason: str
    figures: tuple[str, ...]
    rows: tuple[ChosenRow, ...]
    board: str


@dataclass(frozen=True, slots=True, eq=False)
class Finishing:
    """What was found of what was asked for, and how much time is left for the rest."""

    tried: Sequence[Tried]
    image_dirs: tuple[Path, ...]
    output_dir: Path
    options: AutoOptions
    left_s: float

    def display(self) -> Overall:
        """The display of the search, gone on with."""
        began = time.monotonic()
        return Overall(lambda: self.left_s - (time.monotonic() - began))

    @property
    def limits(self) -> Limits:
        """What the board allows."""
        return Limits(self.options.max_ms, self.options.max_kb)

    def chosen(self) -> tuple[Choice, list[Tried]]:
        """One network or two, by what all that saw all photos said of the validation photos."""
        runs = {t.candidate for t in self.tried if t.result.run and not t.result.spec.epochs}
        by_name = {
            t.result.name: t
            for t in self.tried
            # What was fitted on features alone is the same as the run made of it.
            if _comparable(t.result) and (t.result.run or t.candidate not in runs)
        }
        scores = {name: t.result.scores() for name, t in by_name.items()}
        _, first = next(iter(scores.values()))
        options = [
            option_of(
                name,
                t.candidate.cost.ms,
                t.candidate.cost.kb,
                rows,
                indices,
                title=t.candidate.title,
            )
            for name, t in by_name.items()
            for rows, indices in [scores[name]]
            # A photo that one of them could not read would put all others out of step.
            if np.array_equal(indices, first)
        ]
        choice = choose(options, self.limits)
        return choice, [by_name[option.name] for option in choice.options]


def _comparable(result: TrialResult) -> bool:
    return not result.dropped and result.spec.photos is None


def finish(finishing: Finishing) -> Iterator[str]:
    """Choose, deliver, report; yield what a person should read. Raises TrainingError."""
    choice, chosen = finishing.chosen()
    options, output = finishing.options, finishing.output_dir
    name = output.resolve().name
    with finishing.display() as display:
        display.doing("making the files for the Pi")
        order = Order(
            tuple(_run_of(tried) for tried in chosen),
            finishing.image_dirs,
            name,
            finishing.limits,
            ThresholdPolicy(max_loss=choice.max_loss),
            board=options.board,
            negatives=options.negatives,
            training=_time_to_train(finishing, chosen),
        )
        record = deliver(order, output)
    titles = " and ".join(_title(tried) for tried in chosen)
    figures = tuple(figure_lines(record))
    story = Chosen(
        titles, choice.reason, figures, _rows(finishing, chosen), board_called(options.board).name
    )
    yield ""
    yield f"Chosen: {titles}. {choice.reason[0].upper()}{choice.reason[1:]}."
    yield from figures
    section = Section("chosen", "What was tried, and what was chosen?", "chosen.html.j2", story)
    spec = chosen[-1].result.spec
    reporting = report_options(
        order,
        record,
        output,
        options.command(),
        weights=spec.weights,
        cache_dir=spec.cache_dir,
    )
    with finishing.display() as display:
        display.doing("writing the report")
        lines = tuple(report_on(order, output, reporting, [section]))
    yield from lines


def _run_of(tried: Tried) -> Path:
    """The run folder of a trial; of one that fitted a head on features alone, one is made."""
    result = tried.result
    if result.run is None:
        name = f"{tried.candidate.name}-head"
        folder = str(result.spec.path.with_name(name))
        result = run_trial(replace(result.spec, name=name, epochs=0, folder=folder))
    return Path(result.spec.folder, RUN_FOLDER)


def _time_to_train(finishing: Finishing, chosen: Sequence[Tried]) -> bool:
    """Whether all chosen could be trained for 8 bits in the time left."""
    speed = Speed(tuple(t.result for t in finishing.tried))
    epochs_s = sum(speed.epoch_s(t.candidate, t.result.photos) for t in chosen)
    return QUANTIZATION_AWARE_EPOCHS * epochs_s < finishing.left_s


def _title(tried: Tried) -> str:
    result = tried.result
    how = "its last layer alone trained"
    if result.tuned:
        how = f"fine-tuned {result.epochs_done} epochs"
    return f"{tried.candidate.title}, {how}"


def _rows(finishing: Finishing, chosen: Sequence[Tried]) -> tuple[ChosenRow, ...]:
    candidates = dict.fromkeys(t.candidate for t in finishing.tried)
    return tuple(
        _row(finishing, candidate, chosen=any(t.candidate == candidate for t in chosen))
        for candidate in sorted(candidates, key=lambda c: (c.cost.ms, c.name))
    )


def _row(finishing: Finishing, candidate: Candidate, *, chosen: bool) -> ChosenRow:
    best = BestAccuracies.of(t.result for t in finishing.tried if t.candidate == candidate)
    cost = board_cost(candidate.network, finishing.options.board)
    return ChosenRow(
        candidate.title,
        *best.texts(),
        f"{cost.low_ms:.0f}–{cost.high_ms:.0f}",
        round(1000 * candidate.cost.kb),
        chosen,
    )
