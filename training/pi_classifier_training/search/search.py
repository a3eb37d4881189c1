"""The search: from contenders to the few networks worth finishing, in the time there is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pi_classifier.system.files import remembered, write_json
from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.progress import Overall
from pi_classifier_training.search.candidates import Candidate
from pi_classifier_training.search.executor import Executor
from pi_classifier_training.search.plan import (
    FIRST_SHARE,
    HEAD_OVERHEAD_S,
    RUNGS,
    SHORT_EPOCHS,
    Speed,
    Tried,
    better_half,
    few_photos,
    long_tunings,
    short_tunings,
)
from pi_classifier_training.search.trials import (
    TrialResult,
    TrialSpec,
    read_result,
    write_result,
)

log = logging.getLogger(__name__)

PLAN_FILE = "plan.json"
TRIALS_FOLDER = "trials"
# So many heads may have to be fitted anew in the end, for the files.
STAGES = 2
MOST_RESERVED = 0.6
_LARGEST_PLAN = 16 << 20


@dataclass(slots=True)
class Budget:
    """The seconds of a search, over all its sittings.

    `total_s` is what the user gave, `reserve_s` what finishing takes; `spent_s` what
    earlier sittings took for results that still stand.
    """

    total_s: float
    reserve_s: float
    clock: Callable[[], float] = time.monotonic
    spent_s: float = 0.0
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def now_s(self) -> float:
        """Seconds of work so far."""
        return self.spent_s + self.clock() - self._began

    def go_on_at(self, spent_s: float) -> None:
        """Count from here as if so many seconds had been worked."""
        self.spent_s, self._began = spent_s, self.clock()

    def until_s(self, share: float, slowness: float = 1.0) -> float:
        """Seconds left until a share of the time for trials is over.

        Finishing takes `slowness` times what was reserved, but never most of the time.
        """
        reserve_s = min(self.reserve_s * slowness, MOST_RESERVED * self.total_s)
        return share * (self.total_s - max(reserve_s, self.reserve_s)) - self.now_s()


@dataclass(frozen=True, slots=True)
class SearchInputs:
    """What every trial of a search is about: the photos, and where things are kept."""

    image_dirs: tuple[Path, ...]
    folder: Path
    labels: int
    training_photos: int
    validation_photos: int
    cache_dir: str | None = None
    seed: int = 1
    negatives: tuple[Path, ...] = ()
    splits: SplitRule = SplitRule()


class Search:
    """Goes through the rungs; what it has done is on disk, so that a killed one goes on."""

    def __init__(
        self,
        inputs: SearchInputs,
        contenders: Mapping[Candidate, Path],
        executor: Executor,
        budget: Budget,
        display: Overall,
    ) -> None:
        self.inputs, self.contenders, self.executor = inputs, contenders, executor
        self.budget, self.display = budget, display
        self.results: list[TrialResult] = []
        self._by_network = {c.network: c for c in contenders}
        self._plan = remembered(inputs.folder / PLAN_FILE, _LARGEST_PLAN, "planned anew")

    def run(self) -> list[Tried]:
        """Search; return the best result of each network that has seen all photos, best first.

        Raises what a trial raises that cannot be made.
        """
        heads = self._heads()
        short = self._rung("short tuning", lambda: self._short_specs(heads))
        best = self._best_of([*heads, *short])
        long = self._rung("long tuning", lambda: self._long_specs(best))
        return self._best_of([*best, *long])

    def _heads(self) -> list[Tried]:
        """Heads on frozen features: of some photos first where there are many."""
        few = few_photos(self.inputs.training_photos, self.inputs.labels)
        contenders = list(self.contenders)
        if few is None:
            return self._rung("all photos", lambda: self._head_specs(contenders, None))
        tried = self._rung("few photos", lambda: self._head_specs(contenders, few))
        better = better_half(tried)
        seen_all = self._rung("all photos", lambda: self._head_specs(better, None))
        if seen_all:
            return seen_all
        affordable = self._affordable(tried).candidate
        return self._rung("head", lambda: [self._spec(affordable, epochs=0)], must=True)

    def tried(self) -> list[Tried]:
        """Everything tried so far, in its order, what was dropped too."""
        return [Tried(self._by_network[r.spec.network], r) for r in self.results]

    def _affordable(self, tried: Sequence[Tried]) -> Tried:
        """The best of whose features on all photos there is time for, or else the fastest."""
        left, speed = self._left_s(1.0), self._speed()
        seconds = {t: speed.head_s(t.candidate, 2 * self.inputs.training_photos) for t in tried}
        fitting = [t for t in tried if seconds[t] <= left]
        return (
            min(fitting, key=lambda t: t.rank) if fitting else min(tried, key=seconds.__getitem__)
        )

    def _left_s(self, share: float) -> float:
        """Seconds until a share of the time is over; what has to follow in any case is kept."""
        slowness = self._speed().slowness
        after_s = STAGES * HEAD_OVERHEAD_S * slowness
        return self.budget.until_s(share, slowness) - after_s

    def _best_of(self, tried: Sequence[Tried]) -> list[Tried]:
        """The best result of each candidate, the best candidate first."""
        best: dict[Candidate, Tried] = {}
        for trial in sorted(tried, key=lambda t: t.rank):
            best.setdefault(trial.candidate, trial)
        return list(best.values())

    def _spec(
        self, candidate: Candidate, *, photos: int | None = None, epochs: int | None = None
    ) -> TrialSpec:
        kind = ("all" if photos is None else "few") if epochs is None else f"tuned-{epochs}"
        name = f"{candidate.name}-{kind if epochs != 0 else 'head'}"
        inputs = self.inputs
        return TrialSpec(
            name,
            candidate.network,
            str(self.contenders[candidate].resolve()),
            tuple(str(folder.resolve()) for folder in inputs.image_dirs),
            str(inputs.folder.resolve() / TRIALS_FOLDER / name),
            inputs.cache_dir,
            tuple(str(folder.resolve()) for folder in inputs.negatives),
            inputs.splits,
            photos,
            epochs,
            seed=inputs.seed,
        )

    def _head_specs(self, candidates: Sequence[Candidate], photos: int | None) -> list[TrialSpec]:
        return [self._spec(candidate, photos=photos) for candidate in candidates]

    def _short_specs(self, tried: Sequence[Tried]) -> list[TrialSpec]:
        seconds, photos = self._left_s(RUNGS["long tuning"]), self.inputs.training_photos
        candidates = short_tunings(tried, photos, seconds, self._speed())
        return [self._spec(candidate, epochs=SHORT_EPOCHS) for candidate in candidates]

    def _long_specs(self, tried: Sequence[Tried]) -> list[TrialSpec]:
        seconds, photos = self._left_s(RUNGS["long tuning"]), self.inputs.training_photos
        chosen = long_tunings(tried, photos, seconds, self._speed())
        return [self._spec(candidate, epochs=epochs) for candidate, epochs in chosen]

    def _rung(
        self, rung: str, planned: Callable[[], list[TrialSpec]], *, must: bool = False
    ) -> list[Tried]:
        """Make the trials of a rung, those of an earlier sitting's plan where there is one."""
        specs = self._planned_before(rung)
        if specs is None:
            specs = planned()
            self._keep_plan(rung, specs)
        made: list[Tried] = []
        for result in self.executor.run(self._fitting(specs, RUNGS.get(rung, 1.0), must)):
            self.results.append(result)
            made.append(Tried(self._by_network[result.spec.network], result))
            self._tell(made[-1])
        return made

    def _planned_before(self, rung: str) -> list[TrialSpec] | None:
        """What an earlier sitting planned, whose time so far counts; None: nothing."""
        entry = self._plan.get(rung)
        if entry is None:
            return None
        self.budget.go_on_at(entry["spent_s"])
        by_name = {candidate.name: candidate for candidate in self.contenders}
        return [
            self._spec(by_name[trial["network"]], photos=trial["photos"], epochs=trial["epochs"])
            for trial in entry["trials"]
            if trial["network"] in by_name
        ]

    def _keep_plan(self, rung: str, specs: Sequence[TrialSpec]) -> None:
        # Without paths: the folder may be moved before it is gone on with.
        self._plan[rung] = {
            "spent_s": round(self.budget.now_s(), 2),
            "trials": [
                {
                    "network": self._by_network[spec.network].name,
                    "photos": spec.photos,
                    "epochs": spec.epochs,
                }
                for spec in specs
            ],
        }
        write_json(self.inputs.folder / PLAN_FILE, self._plan)

    def _fitting(
        self, specs: Sequence[TrialSpec], share: float, must: bool
    ) -> Iterator[TrialSpec]:
        """The trials for which there is time; what is dropped is on record."""
        for number, spec in enumerate(specs):
            known = read_result(spec)
            if known is not None and known.dropped:
                self.results.append(known)
                continue
            if known is not None:
                self.budget.go_on_at(self.budget.now_s() + known.seconds / self.executor.slots)
                yield spec
                continue
            # The best of all comes first, and is worth more than a further rung for others.
            left = self._left_s(share if number else max(share, FIRST_SHARE))
            needed = self._seconds(spec)
            if needed > left and not must and self.results:
                reason = (
                    f"would have taken about {needed:.0f} s of the {max(0.0, left):.0f} s left"
                )
                self.results.append(write_result(TrialResult(spec, dropped=reason)))
                log.debug("%s: not tried, %s", spec.name, reason)
                continue
            self.display.doing(f"trying {self._by_network[spec.network].title}")
            yield replace(spec, limit_s=None if must else round(left, 1))

    def _seconds(self, spec: TrialSpec) -> float:
        candidate, inputs = self._by_network[spec.network], self.inputs
        if spec.epochs:
            return self._speed().tuning_s(candidate, inputs.training_photos, spec.epochs)
        # All photos are seen as they are and mirrored.
        photos = spec.photos or 2 * inputs.training_photos
        held_out = min(inputs.validation_photos, photos)
        return self._speed().head_s(candidate, photos + held_out)

    def _speed(self) -> Speed:
        return Speed(tuple(self.results))

    def _tell(self, tried: Tried) -> None:
        spec = tried.result.spec
        photos = "" if spec.photos is None else f", seen {tried.result.photos} photos"
        kind = f"head alone{photos}"
        if tried.result.epochs_done:
            kind = f"fine-tuned {tried.result.epochs_done} epochs"
            if not tried.result.tuned:
                kind += ", no better than its head, which is kept"
        right = f"{100 * tried.result.accuracy:.1f} %"
        self.display.say(f"  {tried.candidate.title}, {kind}: {right} of validation photos right")
        best = min((t for t in self.tried() if not t.result.dropped), key=lambda t: t.rank)
        self.display.best(f"{100 * best.result.accuracy:.1f} % ({best.candidate.title})")
