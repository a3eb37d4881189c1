"""What is tried next and whether it still fits the time: decided from results alone.

A search goes through rungs. On each, candidates get a dearer trial than on the one
before, and fewer get it (successive halving: Jamieson and Talwalkar 2016), within each
class of cost, so that a cheap network, which may be a cascade's first stage, is not driven
out by dear ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from pi_classifier_training.networks.imagenet import mmacs
from pi_classifier_training.search.candidates import Candidate, in_turn
from pi_classifier_training.search.trials import TrialResult

# The share of the time for trials that is over at the end of each rung, and that may be over
# at the end of a rung's first trial.
RUNGS = {"few photos": 0.25, "all photos": 0.5, "short tuning": 0.7, "long tuning": 1.0}
FIRST_SHARE = 0.85
# Photos that the first rung looks at: of each label, and in all at least and at most.
FEW_PER_LABEL = 40
FEWEST, MOST_OF_FEW = 200, 1_000
# Epochs of fine-tuning: on the third rung, and at most on the last.
SHORT_EPOCHS = 4
LONGEST_EPOCHS = 30
# Networks that are fine-tuned on the third rung, and on the last.
TUNED_AT_MOST = 4
TUNED_LONG = 2
# Building a network, loading its weights, having TensorFlow compile it: seconds.
HEAD_OVERHEAD_S = 6.0
TUNING_OVERHEAD_S = 30.0
# Slower than that, and it is something else that takes the time.
SLOWEST = 3.0
# Million multiply-accumulates a second of any processor that trains, until one was measured.
SUPPOSED_MMACS_S = 3_000.0
# A photo trained on costs about so many whose features are made: forward, backward, the views.
TRAINED_PHOTO = 5.0
# From so many times the cost on, two networks are worth having as the stages of a cascade.
FIRST_STAGE_RATIO = 3.0


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate with its latest result."""

    candidate: Candidate
    result: TrialResult

    @property
    def rank(self) -> tuple[float, float, float, str]:
        """Sorts the better first: accuracy, cross-entropy, then the cost decides."""
        result = self.result
        cost = self.candidate.cost.ms
        return -result.accuracy, result.cross_entropy, cost, self.candidate.name


@dataclass(frozen=True, slots=True)
class BestAccuracies:
    """A network's best with its head alone and fine-tuned, as fractions; None: not tried.

    A head that saw some photos only was measured on some only (`of_few`), and counts where no
    other did. `in_vain`: it was fine-tuned, which made it no better.
    """

    head: float | None
    tuned: float | None
    of_few: bool
    in_vain: bool

    @classmethod
    def of(cls, results: Iterable[TrialResult]) -> Self:
        """The best among one network's results."""
        made = [r for r in results if not r.dropped]
        heads = [r for r in made if not r.tuned]
        whole = [r for r in heads if r.spec.photos is None]
        head, tuned = (
            max((r.accuracy for r in part), default=None)
            for part in (whole or heads, [r for r in made if r.tuned])
        )
        tried = any(r.epochs_done for r in made)
        return cls(head, tuned, bool(heads) and not whole, tried and tuned is None)

    def texts(self, unit: str = "") -> tuple[str, str]:
        """Both in percent, with `unit` behind them, for a table's cells."""
        head = _percent(self.head, unit) + ("*" if self.of_few else "")
        return head, "no gain" if self.in_vain else _percent(self.tuned, unit)


def _percent(share: float | None, unit: str) -> str:
    return "–" if share is None else f"{100 * share:.1f}{unit}"


def few_photos(training: int, labels: int) -> int | None:
    """How many photos the first rung looks at; None: all, as they are few enough."""
    few = min(max(FEW_PER_LABEL * labels, FEWEST), max(MOST_OF_FEW, labels))
    return few if training > 1.5 * few else None


def better_half(tried: Sequence[Tried]) -> list[Candidate]:
    """The better half of every class of cost, the best of all first, then class by class."""
    ranked = [t.candidate for t in sorted(tried, key=lambda t: t.rank)]
    kept: list[Candidate] = []
    for number in {candidate.cost_class for candidate in ranked}:
        rivals = [candidate for candidate in ranked if candidate.cost_class == number]
        kept += rivals[: math.ceil(len(rivals) / 2)]
    in_order = in_turn(candidate for candidate in ranked if candidate in kept)
    return list(dict.fromkeys([*ranked[:1], *in_order]))


def stages(tried: Sequence[Tried], count: int) -> list[Tried]:
    """Up to `count` worth more time: the best, the best cheap one beside it, then the others.

    A network that is neither better nor cheaper than another is never chosen.
    """
    ranked = sorted(tried, key=lambda t: t.rank)
    useful: list[Tried] = []
    for trial in ranked:
        if all(trial.candidate.cost.ms < better.candidate.cost.ms for better in useful):
            useful.append(trial)
    if not useful:
        return []
    best = useful[0]
    cheap = [
        t for t in useful[1:] if t.candidate.cost.ms * FIRST_STAGE_RATIO <= best.candidate.cost.ms
    ][:1]
    others = [t for t in useful[1:] if t not in cheap]
    return [best, *cheap, *others][:count]


@dataclass(frozen=True, slots=True)
class Speed:
    """How long trials take here, from what earlier ones took."""

    results: tuple[TrialResult, ...] = ()

    def photos_s(self, candidate: Candidate) -> float:
        """Photos a second that become features."""
        rates = {r.spec.network: r.photos_s for r in self.results if r.photos_s}
        if candidate.network in rates:
            return rates[candidate.network]
        work = [rate * mmacs(network) for network, rate in rates.items()]
        # Reading files takes its time, however small the network.
        computed = min(work, default=SUPPOSED_MMACS_S) / mmacs(candidate.network)
        return min([computed, *rates.values()])

    @property
    def slowness(self) -> float:
        """How much longer this computer takes than one that is free, from 1 to `SLOWEST`."""
        heads = [r for r in self.results if r.photos_s and not r.spec.epochs]
        # Mirrored ones are as many again; or as many held-out ones were seen, where few were.
        overheads = [r.seconds - 2 * r.photos / r.photos_s for r in heads if r.photos_s]
        usual = sorted(overheads)[len(overheads) // 2] if overheads else HEAD_OVERHEAD_S
        return min(SLOWEST, max(1.0, usual / HEAD_OVERHEAD_S))

    def head_s(self, candidate: Candidate, photos: int) -> float:
        """Seconds to make features of so many photos and fit a head."""
        return HEAD_OVERHEAD_S * self.slowness + photos / self.photos_s(candidate)

    def epoch_s(self, candidate: Candidate, photos: int) -> float:
        """Seconds of an epoch of fine-tuning on so many photos."""
        measured = {r.spec.network: r.epoch_s for r in self.results if r.epoch_s}
        if candidate.network in measured:
            return measured[candidate.network]
        # How many photos' features take as long as one photo's training, where that is known.
        ratios = [
            r.epoch_s / r.photos * self.photos_s(Candidate(r.spec.network, candidate.cost))
            for r in self.results
            if r.epoch_s
        ]
        return max(ratios, default=TRAINED_PHOTO) * photos / self.photos_s(candidate)

    def tuning_s(self, candidate: Candidate, photos: int, epochs: int) -> float:
        """Seconds of a fine-tuning trial."""
        rest = [r.seconds - r.epochs_done * r.epoch_s for r in self.results if r.epoch_s]
        overhead = max(rest, default=TUNING_OVERHEAD_S)
        return overhead + epochs * self.epoch_s(candidate, photos)

    def epochs_in(self, seconds: float, candidate: Candidate, photos: int) -> int:
        """How many epochs of fine-tuning fit so many seconds, as far as more still help."""
        training_s = seconds - self.tuning_s(candidate, photos, 0)
        return min(LONGEST_EPOCHS, int(training_s / self.epoch_s(candidate, photos)))

    def least_epochs(self, candidate: Candidate) -> int:
        """Epochs that are worth a fine-tuning: more than an earlier one of this network had."""
        earlier = [r.spec.epochs or 0 for r in self.results if r.spec.network == candidate.network]
        return max(SHORT_EPOCHS, 1 + max(earlier, default=0))


def short_tunings(
    tried: Sequence[Tried], photos: int, seconds: float, speed: Speed
) -> list[Candidate]:
    """Networks that are fine-tuned for a few epochs, to see which is worth more of them.

    Where no more could follow for the best that may be fine-tuned at all in `seconds`, none:
    it has them at once on the last rung. The best of all comes last where it takes too long,
    to be left out on record.
    """
    fitting = _tunable(tried, photos, seconds, speed)
    chosen = [t.candidate for t in stages(fitting, TUNED_AT_MOST)]
    both_s = sum(speed.tuning_s(c, photos, SHORT_EPOCHS + n) for c in chosen[:1] for n in (0, 1))
    too_long = [t.candidate for t in stages(tried, 1) if t not in fitting]
    return [*(chosen if both_s <= seconds else []), *too_long]


def _tunable(tried: Sequence[Tried], photos: int, seconds: float, speed: Speed) -> list[Tried]:
    """Those whose fine-tuning, if only that, fits so many seconds."""
    return [
        t
        for t in tried
        if speed.epochs_in(seconds, t.candidate, photos) >= speed.least_epochs(t.candidate)
    ]


def long_tunings(
    tried: Sequence[Tried], photos: int, seconds: float, speed: Speed
) -> list[tuple[Candidate, int]]:
    """Networks with the epochs of the last rung, as far as more epochs still help.

    The time is shared evenly; where an even share is too short, the better network has it all.
    """
    chosen: dict[Tried, int] = {}
    while True:
        fitting = [t for t in _tunable(tried, photos, seconds, speed) if t not in chosen]
        finalists = stages([*chosen, *fitting], TUNED_LONG)[len(chosen) :]
        if not finalists:
            return [(trial.candidate, epochs) for trial, epochs in chosen.items()]
        candidate = finalists[0].candidate
        epochs = speed.epochs_in(seconds / len(finalists), candidate, photos)
        if epochs < speed.least_epochs(candidate):
            epochs = speed.epochs_in(seconds, candidate, photos)
        chosen[finalists[0]] = epochs
        seconds -= speed.tuning_s(candidate, photos, epochs)
