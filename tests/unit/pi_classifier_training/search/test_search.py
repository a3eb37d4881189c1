"""A whole search on a clock of its own: what is made of the time, killed or not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pi_classifier_training.evaluation.boards import BoardCost
from pi_classifier_training.networks.imagenet import mmacs
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.progress import Overall
from pi_classifier_training.search.candidates import Candidate
from pi_classifier_training.search.plan import Tried
from pi_classifier_training.search.search import Budget, Search, SearchInputs
from pi_classifier_training.search.trials import (
    TrialResult,
    TrialSpec,
    read_result,
    write_result,
)

NETWORKS = [
    NetworkSpec(name, width, side)
    for name, width in (("mobilenet_v1", 0.25), ("mobilenet_v1", 0.75), ("mobilenet_v2", 0.35))
    for side in (128, 160, 192, 224)
]
CONTENDERS = {
    Candidate(network, BoardCost(0, mmacs(network), 100.0)): Path("weights.h5")
    for network in NETWORKS
}
PHOTOS = 2000


class Killed(BaseException):
    """The process is gone."""


@dataclass(slots=True)
class Bench:
    """A computer on which trials take as long as such trials take, on a clock that it turns.

    `slowness` is how much longer fine-tuning takes than it promised, `busy` how much longer
    everything takes than on a computer that does nothing else.
    """

    now_s: float = 0.0
    dies_after: int | None = None
    slowness: float = 1.0
    busy: float = 1.0
    slots: int = 1
    made: list[str] = field(default_factory=list)
    features: set[NetworkSpec] = field(default_factory=set)

    def run(self, specs: Iterable[TrialSpec]) -> Iterator[TrialResult]:
        for spec in specs:
            yield read_result(spec) or self._trial(spec)

    def _trial(self, spec: TrialSpec) -> TrialResult:
        if len(self.made) == self.dies_after:
            self.now_s += 3.0  # lost with the process
            raise Killed
        self.made.append(spec.name)
        rate = 4000 / mmacs(spec.network) / self.busy
        photos = spec.photos or PHOTOS
        quality = mmacs(spec.network) ** 0.1 / 2 - (0.1 if spec.photos else 0.0)
        epochs, epoch_s = spec.epochs or 0, None
        # Features of all photos are kept for the next trial.
        seconds = 5.0 * self.busy + (0 if spec.network in self.features else 2 * photos / rate)
        if not spec.photos:
            self.features.add(spec.network)
        if epochs:
            epoch_s = self.slowness * 4 * PHOTOS / rate
            epochs = min(epochs, max(1, int((spec.limit_s or 1e9) / epoch_s)))
            seconds += epochs * epoch_s
        self.now_s += seconds
        run = None if spec.epochs is None else f"{spec.folder}/run"
        accuracy = quality + 0.01 * epochs**0.5
        return write_result(
            TrialResult(
                spec,
                accuracy,
                1 - accuracy,
                seconds,
                rate,
                epoch_s,
                epochs,
                photos,
                run,
                tuned=epochs > 0,
            )
        )


def searched(folder: Path, bench: Bench, minutes: float) -> list[Tried]:
    folder.mkdir(parents=True, exist_ok=True)
    budget = Budget(60 * minutes, 60.0, lambda: bench.now_s)
    inputs = SearchInputs((Path("photos"),), folder, 5, PHOTOS, 250)
    display = Overall(lambda: budget.total_s - budget.now_s())
    return Search(inputs, CONTENDERS, bench, budget, display).run()


@pytest.mark.parametrize("minutes", [2, 5, 10, 20, 60, 240])
def test_the_time_is_kept_and_something_has_seen_all_photos(
    tmp_path: Path, minutes: float
) -> None:
    bench = Bench()
    finalists = searched(tmp_path, bench, minutes)
    assert finalists
    assert all(t.result.spec.photos is None for t in finalists)
    assert bench.now_s <= 60 * minutes - 60 + 6 * minutes


@pytest.mark.parametrize("minutes", [20, 25, 30, 40, 60, 240])
def test_time_is_used_where_more_training_helps(tmp_path: Path, minutes: float) -> None:
    bench = Bench()
    searched(tmp_path, bench, minutes)
    assert any("tuned" in name for name in bench.made)
    assert bench.now_s >= 0.8 * (60 * minutes - 60)


def test_time_for_one_fine_tuning_goes_to_the_best_network_that_it_is_enough_for(
    tmp_path: Path,
) -> None:
    bench = Bench()
    searched(tmp_path, bench, 30)
    assert [name for name in bench.made if "tuned" in name] == ["mobilenet_v2-0.35-224-tuned-6"]
    assert planned(tmp_path)["short tuning"] == ["mobilenet_v1-0.75-224 4"]
    assert "would have" in (
        tmp_path / "trials" / "mobilenet_v1-0.75-224-tuned-4" / "result.json"
    ).read_text("utf-8")


def test_a_computer_slower_than_promised_is_stopped_in_time(tmp_path: Path) -> None:
    bench = Bench(slowness=3.0)
    searched(tmp_path, bench, 20)
    assert bench.now_s <= 1.1 * 20 * 60 - 60


def test_on_a_busy_computer_more_time_is_kept_for_the_end(tmp_path: Path) -> None:
    bench = Bench(busy=3.0)
    searched(tmp_path, bench, 10)
    assert bench.now_s <= 1.1 * 600 - 3 * 60


def test_more_time_finds_no_worse_model(tmp_path: Path) -> None:
    best = [
        searched(tmp_path / str(minutes), Bench(), minutes)[0].result.accuracy
        for minutes in (2, 10, 60)
    ]
    assert best == sorted(best)


def test_a_cheap_network_is_trained_beside_the_best_where_time_allows(tmp_path: Path) -> None:
    best, *others = searched(tmp_path, Bench(), 240)
    cheap = [t for t in others if 3 * t.candidate.cost.ms <= best.candidate.cost.ms]
    assert any(t.result.spec.epochs for t in cheap)
    assert all(t.result.accuracy <= best.result.accuracy for t in others)


def test_what_did_not_fit_is_on_record(tmp_path: Path) -> None:
    searched(tmp_path, Bench(), 2)
    dropped = [
        path for path in tmp_path.glob("trials/*/result.json") if "would have" in path.read_text()
    ]
    assert dropped


def planned(folder: Path) -> dict[str, list[str]]:
    """The trials of every rung."""
    plan = json.loads((folder / "plan.json").read_text())
    return {
        rung: [f"{trial['network']} {trial['epochs']}" for trial in entry["trials"]]
        for rung, entry in plan.items()
    }


@pytest.mark.parametrize("minutes", [3, 12, 45])
@pytest.mark.parametrize("dies_after", [0, 1, 7, 11, 13, 15])
def test_a_killed_search_goes_on_to_the_same_choice(
    tmp_path_factory: pytest.TempPathFactory, dies_after: int, minutes: float
) -> None:
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    expected = [
        (t.result.name, t.result.accuracy) for t in searched(undisturbed, Bench(), minutes)
    ]
    folder = tmp_path_factory.mktemp("killed")
    bench = Bench(dies_after=dies_after)
    try:
        finalists = searched(folder, bench, minutes)
    except Killed:
        again = Bench(now_s=bench.now_s, features=bench.features)
        folder = folder.rename(folder.with_name(f"{folder.name}-moved"))
        finalists = searched(folder, again, minutes)
        assert not set(again.made) & set(bench.made)
    assert [(t.result.name, t.result.accuracy) for t in finalists] == expected
    assert planned(folder) == planned(undisturbed)
