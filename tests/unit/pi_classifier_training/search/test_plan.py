"""What is tried next, and whether there is time for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.boards import BoardCost
from pi_classifier_training.networks.imagenet import mmacs
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.search.candidates import (
    Candidate,
    Weights,
    candidates,
    contenders,
    in_turn,
)
from pi_classifier_training.search.plan import (
    LONGEST_EPOCHS,
    SHORT_EPOCHS,
    BestAccuracies,
    Speed,
    Tried,
    better_half,
    few_photos,
    long_tunings,
    short_tunings,
    stages,
)
from pi_classifier_training.search.trials import TrialResult, TrialSpec

V1 = NetworkSpec("mobilenet_v1", 0.25, 128)


def candidate(ms: float, width: float = 0.25, side: int = 128) -> Candidate:
    return Candidate(NetworkSpec("mobilenet_v1", width, side), BoardCost(0, ms, 10 * ms))


def tried(one: Candidate, accuracy: float, cross_entropy: float = 0.5) -> Tried:
    spec = TrialSpec(one.name, one.network, "weights.h5", ("photos",), "trials")
    return Tried(one, TrialResult(spec, accuracy, cross_entropy))


SMALL, MIDDLE, LARGE = candidate(10), candidate(35, 0.5, 160), candidate(150, 0.75, 224)


def cost_of(network: NetworkSpec) -> BoardCost:
    return BoardCost(0, mmacs(network), 1000 * network.width)


def test_a_head_that_saw_some_photos_counts_only_where_no_other_did() -> None:
    def result(
        accuracy: float, dropped: str = "", photos: int | None = None, epochs: int | None = None,
        *, tuned: bool = True,
    ) -> TrialResult:  # fmt: skip
        spec = replace(tried(SMALL, 0).result.spec, photos=photos, epochs=epochs)
        return TrialResult(
            spec, accuracy, dropped=dropped, epochs_done=epochs or 0,
            tuned=bool(epochs) and tuned,
        )  # fmt: skip

    few, whole = result(0.9, photos=200), result(0.8)
    tuned, longer = result(0.85, epochs=4), result(0.83, epochs=20)
    of = BestAccuracies.of
    assert of([few, whole, tuned, longer]) == BestAccuracies(0.8, 0.85, False, False)
    assert of([few, result(0.99, "no time", epochs=4)]) == BestAccuracies(0.9, None, True, False)
    assert of([]) == BestAccuracies(None, None, False, False)
    # What fine-tuning made no better is the head's answer, not fine-tuning's.
    in_vain = result(0.82, epochs=4, tuned=False)
    assert of([few, whole, in_vain]) == BestAccuracies(0.82, None, False, True)
    assert of([few, whole, in_vain]).texts(" %") == ("82.0 %", "no gain")
    assert of([few]).texts() == ("90.0*", "–")
    assert of([few, whole, in_vain, longer]).texts() == ("82.0", "83.0")


def test_the_board_s_limits_leave_out_what_is_too_slow_or_too_large() -> None:
    allowed = candidates(cost_of, max_ms=40, max_kb=500)
    assert allowed
    assert all(c.cost.ms <= 40 and c.cost.kb <= 500 for c in allowed)
    assert [c.cost.ms for c in allowed] == sorted(c.cost.ms for c in allowed)


def test_limits_that_leave_nothing_are_refused_with_what_there_is() -> None:
    with pytest.raises(
        TrainingError, match=r"no network keeps to --max-ms 1: the fastest takes about 13 ms"
    ):
        candidates(cost_of, max_ms=1)


def test_only_networks_whose_weights_are_here_are_tried(tmp_path: Path) -> None:
    file = tmp_path / "mobilenet_2_5_224_tf_no_top.h5"
    file.touch()
    weights = Weights(tmp_path)
    chosen = contenders(candidates(cost_of), 100, weights)
    assert {(c.network.name, c.network.width) for c in chosen} == {("mobilenet_v1", 0.25)}
    assert {c.network.resolution for c in chosen} == {128, 160, 192, 224}
    assert set(chosen.values()) == {file}
    assert "mobilenet_v1 (0.5, 0.75, 1)" in weights.missing_line()


def test_a_class_whose_likeliest_weights_are_missing_has_its_turn_all_the_same(
    tmp_path: Path,
) -> None:
    for alpha in ("2_5", "7_5"):
        (tmp_path / f"mobilenet_{alpha}_224_tf_no_top.h5").touch()
    allowed = candidates(cost_of)
    classes = {c.cost_class for c in contenders(allowed, 100, Weights(tmp_path))}
    first = list(contenders(allowed, len(classes), Weights(tmp_path)))
    assert [c.cost_class for c in first] == sorted(classes)


def test_a_folder_without_weights_is_refused_with_the_name_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"has none .* such as .*\.h5"):
        contenders(candidates(cost_of), 3, Weights(tmp_path))


def test_every_class_of_cost_has_its_turn_before_a_class_has_its_second() -> None:
    cheap, cheaper = candidate(11, 0.5), candidate(9, 0.25)
    assert in_turn([LARGE, cheap, MIDDLE, cheaper]) == [cheap, MIDDLE, LARGE, cheaper]


def test_half_of_every_class_goes_on_and_the_best_is_first() -> None:
    worse = candidate(11, 1.0)
    kept = better_half([tried(SMALL, 0.8), tried(worse, 0.7), tried(LARGE, 0.9)])
    assert kept == [LARGE, SMALL]


def test_the_only_one_of_its_class_goes_on_however_it_did() -> None:
    assert better_half([tried(SMALL, 0.9), tried(LARGE, 0.5)]) == [SMALL, LARGE]


def test_equal_accuracy_is_decided_by_cross_entropy_then_by_cost() -> None:
    surer = better_half([tried(SMALL, 0.8, 0.6), tried(candidate(11, 1.0), 0.8, 0.5)])
    assert [c.network.width for c in surer] == [1.0]
    cheaper = better_half([tried(candidate(11, 1.0), 0.8), tried(SMALL, 0.8)])
    assert cheaper == [SMALL]


def test_the_stages_are_the_best_and_a_much_cheaper_one() -> None:
    chosen = stages([tried(SMALL, 0.8), tried(MIDDLE, 0.85), tried(LARGE, 0.9)], 2)
    assert [t.candidate for t in chosen] == [LARGE, MIDDLE]


def test_what_is_dearer_and_no_better_is_no_stage() -> None:
    chosen = stages([tried(SMALL, 0.9), tried(LARGE, 0.85)], 2)
    assert [t.candidate for t in chosen] == [SMALL]
    assert stages([], 2) == []


@pytest.mark.parametrize(
    ("training", "labels", "few"), [(250, 2, None), (3000, 5, 200), (50_000, 10, 400)]
)
def test_the_first_rung_looks_at_some_photos_of_many(
    training: int, labels: int, few: int | None
) -> None:
    assert few_photos(training, labels) == few


def measured(one: Candidate, **values: float) -> TrialResult:
    spec = TrialSpec(one.name, one.network, "weights.h5", ("photos",), "trials")
    return TrialResult(spec, **values)  # type: ignore[arg-type]


def test_a_network_s_own_speed_counts_before_that_of_others() -> None:
    speed = Speed((measured(SMALL, photos_s=200.0), measured(LARGE, photos_s=10.0)))
    assert speed.photos_s(LARGE) == 10.0
    # As slow for its work as the slowest measured, and never faster than files are read.
    work = 10.0 * mmacs(LARGE.network)
    assert speed.photos_s(MIDDLE) == pytest.approx(min(10.0, work / mmacs(MIDDLE.network)))


def test_one_network_s_training_tells_how_long_another_trains() -> None:
    known = measured(SMALL, photos_s=100.0, epoch_s=40.0, seconds=100.0)
    known = TrialResult(known.spec, photos_s=100.0, epoch_s=40.0, seconds=100.0, epochs_done=2,
                        photos=1000)  # fmt: skip
    speed = Speed((known, measured(LARGE, photos_s=20.0)))
    # 1000 photos trained take as long as 4000 made into features.
    assert speed.epoch_s(LARGE, 500) == pytest.approx(500 * 4 / 20)
    assert speed.tuning_s(SMALL, 1000, 3) == pytest.approx(20 + 3 * 40)


ALL = [tried(LARGE, 0.9), tried(MIDDLE, 0.85), tried(SMALL, 0.8)]
SPEEDS = (
    measured(SMALL, photos_s=100.0),
    measured(MIDDLE, photos_s=50.0),
    measured(LARGE, photos_s=20.0),
)


def test_the_time_left_becomes_epochs_of_the_last_rung() -> None:
    speed = Speed(SPEEDS)
    (best, slow), (cheap, fast) = long_tunings(ALL, 400, 2500, speed)
    assert (best, slow, cheap, fast) == (LARGE, 12, MIDDLE, LONGEST_EPOCHS)
    seconds = speed.tuning_s(LARGE, 400, slow) + speed.tuning_s(MIDDLE, 400, fast)
    assert seconds <= 2500


def test_where_half_the_time_is_too_short_the_better_has_all_of_it() -> None:
    speed = Speed(SPEEDS)
    enough = speed.tuning_s(LARGE, 400, SHORT_EPOCHS)
    assert long_tunings(ALL, 400, enough, speed) == [(LARGE, SHORT_EPOCHS)]
    assert long_tunings(ALL, 400, enough - 1, speed)[0][0] == MIDDLE
    assert long_tunings(ALL, 400, 60, speed) == []


def test_no_more_epochs_than_the_short_rung_had_are_not_worth_it() -> None:
    short = measured(SMALL, photos_s=100.0)
    short = replace(short, spec=replace(short.spec, epochs=SHORT_EPOCHS))
    speed, best = Speed((short,)), [tried(SMALL, 0.9)]
    epoch_s = speed.epoch_s(SMALL, 400)
    assert long_tunings(best, 400, 30 + SHORT_EPOCHS * epoch_s, speed) == []
    assert long_tunings(best, 400, 31 + (SHORT_EPOCHS + 1) * epoch_s, speed) == [(SMALL, 5)]


def test_what_had_the_most_epochs_is_not_trained_again() -> None:
    longest = replace(tried(SMALL, 0.9).result, photos_s=100.0)
    longest = replace(longest, spec=replace(longest.spec, epochs=LONGEST_EPOCHS))
    assert long_tunings([tried(SMALL, 0.9)], 400, 1e6, Speed((longest,))) == []


def test_a_short_fine_tuning_is_made_only_where_a_longer_one_can_follow() -> None:
    speed = Speed(SPEEDS)
    both = sum(speed.tuning_s(LARGE, 400, SHORT_EPOCHS + more) for more in (0, 1))
    assert short_tunings(ALL, 400, both, speed) == [LARGE, MIDDLE, SMALL]
    assert short_tunings(ALL, 400, both - 1, speed) == []
    # What takes too long for itself alone comes last, so that it is on record.
    seconds = speed.tuning_s(LARGE, 400, SHORT_EPOCHS) - 1
    assert short_tunings(ALL[:1], 400, seconds, speed) == [LARGE]
    assert short_tunings(ALL, 400, seconds, speed) == [MIDDLE, SMALL, LARGE]
    assert short_tunings([], 400, seconds, speed) == []
