"""The zoo's page and chart are those of its figures; figures of different photos never mix."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pi_classifier_training.cli
import pytest
from pi_classifier_training.commands.retrain import choices_of
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.retraining.options import RetrainOptions, TrainingOptions

from benchmarks.errors import BenchmarkError
from benchmarks.zoo import DOCS, Places
from benchmarks.zoo_chart import figures_id
from benchmarks.zoo_page import page
from benchmarks.zoo_record import (
    Counted,
    Entry,
    MeasuredFile,
    PhotoSet,
    Training,
    Zoo,
    read_zoo,
    update,
    write_zoo,
)
from benchmarks.zoo_runs import retrain_command

SHIPPED = Places(DOCS)
PHOTOS = PhotoSet("flowers", 5, 1000, 100, 100, "id")


def entry(
    name: str, width: float, *, test: int, validation: int, kept: str = "head", epochs: int = 0
) -> Entry:
    file = MeasuredFile(
        "sum", 300_000, 200_000, test=Counted(test, 100), validation=Counted(validation, 100)
    )
    training = Training("pi-classifier-train retrain", kept, epochs, 1, "flowers", "file.h5")
    files = {"float32": file, "int8": file}
    return Entry(
        name, NetworkSpec("mobilenet_v1", width, 128), training, files, Counted(800, 1000)
    )


def zoo_of(*entries: Entry) -> Zoo:
    return Zoo(PHOTOS, {one.name: one for one in entries})


def test_the_page_is_the_one_that_its_figures_give() -> None:
    drawn = page(read_zoo(SHIPPED.record))
    assert SHIPPED.page.read_text("utf-8") == drawn, "run: scripts/bench zoo"


def test_the_chart_was_drawn_from_the_same_figures() -> None:
    assert figures_id(read_zoo(SHIPPED.record)) in SHIPPED.chart.read_text("utf-8")


def test_a_chart_of_other_figures_is_told_from_it() -> None:
    one = entry("one", 0.25, test=80, validation=80)
    better = replace(one, files={**one.files, "int8": replace(one.files["int8"], gzip_bytes=1)})
    assert figures_id(zoo_of(one)) != figures_id(zoo_of(better))


def test_the_validation_photos_choose_what_is_advised() -> None:
    lucky = entry("lucky", 0.25, test=99, validation=80)
    good = entry("good", 0.5, test=90, validation=91)
    advice = page(zoo_of(lucky, good)).partition("## How good")[0]
    lines = [line for line in advice.splitlines() if line.startswith("| Pi")]
    assert len(lines) == 4
    assert all("mobilenet_v1 0.5/128 | last layer alone | 90.0 (82.6–94.5)" in x for x in lines)


def test_of_equally_good_ones_the_cheapest_is_advised() -> None:
    cheap = entry("z", 0.25, test=90, validation=90)
    dear = entry("a", 0.75, test=90, validation=90)
    advice = page(zoo_of(dear, cheap)).partition("## How good")[0]
    assert "0.25/128" in advice
    assert "0.75/128" not in advice


def test_networks_are_advised_alike_in_whatever_order_they_were_measured() -> None:
    equals = [
        entry("head", 0.25, test=90, validation=90),
        entry("tuned", 0.25, test=90, validation=90, kept="fine-tuning"),
    ]
    assert page(zoo_of(*equals)) == page(zoo_of(*reversed(equals)))


def test_the_page_begins_with_the_answer_for_a_zero_2_w() -> None:
    tuned = entry("tuned", 0.25, test=92, validation=92, kept="fine-tuning", epochs=24)
    opening = page(zoo_of(entry("head", 0.5, test=80, validation=80), tuned))
    opening = opening.partition("## Which")[0].replace(" \\\n    ", " ").replace("\n", " ")
    assert "**On a Pi Zero 2 W take mobilenet_v1 0.25/128**" in opening
    assert "92 of 100 test photos rightly, in an estimated 4 to 10 ms a picture" in opening
    (command,) = [words for words in opening.split("```") if "retrain --image" in words]
    asked = choices_of(pi_classifier_training.cli.parser().parse_args(command.split()[1:]))
    assert (asked.network, asked.fine_tune) == (tuned.network, 24)


def test_below_what_took_hours_is_the_best_that_took_minutes() -> None:
    tuned = entry("tuned", 0.25, test=92, validation=92, kept="fine-tuning", epochs=24)
    lines = page(zoo_of(entry("head", 0.5, test=80, validation=80), tuned)).splitlines()
    zero = [line for line in lines if line.startswith("| Pi Zero 2 W |")]
    assert [line.split(" | ")[2] for line in zero] == ["fine-tuned, 24 epochs", "last layer alone"]


def test_teachers_are_trained_before_those_who_learn_from_them() -> None:
    def taught(name: str, width: float, *teachers: str) -> Entry:
        plain = entry(name, width, test=90, validation=90, kept="fine-tuning", epochs=9)
        command = f"pi-classifier-train retrain --output-dir runs/{name}"
        return replace(plain, training=replace(plain.training, command=command, teachers=teachers))

    zoo = zoo_of(taught("pupil", 0.25, "tutor"), taught("tutor", 0.5, "dean"), taught("dean", 1.0))
    commands = page(zoo).partition("Those trained as a whole")[2]
    assert [line.rpartition("/")[2] for line in commands.splitlines() if "retrain" in line] == [
        "dean",
        "tutor",
        "pupil",
    ]


def test_every_teacher_can_be_trained_again_and_no_command_names_a_machine() -> None:
    zoo = read_zoo(SHIPPED.record)
    for one in zoo.entries.values():
        assert set(one.training.teachers) <= zoo.entries.keys()
        words = shlex.split(one.training.command)
        assert not [word for word in words if Path(word).is_absolute() or word.startswith("~")]


def test_what_does_not_fit_a_board_is_not_advised_for_it() -> None:
    slow = replace(
        entry("slow", 1.0, test=99, validation=99), network=NetworkSpec("mobilenet_v1", 1.0, 224)
    )
    fast = entry("fast", 0.25, test=80, validation=80)
    lines = page(zoo_of(slow, fast)).splitlines()
    (zero,) = [line for line in lines if line.startswith("| Pi Zero 2 W |")]
    (five,) = [line for line in lines if line.startswith("| Pi 5 |")]
    assert "0.25/128" in zero
    assert "1/224" in five


def test_every_network_has_its_costs_and_the_untried_are_called_so() -> None:
    costs = page(zoo_of(entry("one", 0.25, test=80, validation=80))).partition("## What each")[2]
    assert costs.count("| not tried |") == 16
    (tried,) = [x for x in costs.splitlines() if x.startswith("| mobilenet_v1 0.25/128 |")]
    # The multiply-accumulates that Howard et al. give: 14 million, theirs with a head for 1,001.
    assert tried.split(" | ")[1] == "13"


def test_figures_come_back_as_they_were_written(tmp_path: Path) -> None:
    zoo = zoo_of(
        entry("a", 0.25, test=80, validation=80),
        replace(entry("b", 0.5, test=8, validation=9), folds=None),
    )
    write_zoo(zoo, tmp_path / "zoo.json")
    assert read_zoo(tmp_path / "zoo.json") == zoo


@pytest.mark.parametrize("text", ["", "[]", '{"photos": {}}', '{"photos": 1, "networks": [{}]}'])
def test_what_holds_no_figures_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "zoo.json").write_text(text)
    with pytest.raises(BenchmarkError, match="does not hold the figures"):
        read_zoo(tmp_path / "zoo.json")


def test_figures_of_other_photos_are_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "zoo.json"
    update(path, PHOTOS, lambda zoo: zoo.with_entry(entry("a", 0.25, test=1, validation=1)))
    before = path.read_bytes()
    with pytest.raises(BenchmarkError, match="1001 photos of flowers"):
        update(path, replace(PHOTOS, photos=1001), lambda zoo: replace(zoo, entries={}))
    assert path.read_bytes() == before


def test_programs_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "zoo.json"
    names = [f"run{number}" for number in range(12)]

    def add(name: str) -> None:
        update(path, PHOTOS, lambda zoo: zoo.with_entry(entry(name, 0.25, test=1, validation=1)))

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_zoo(path).entries) == sorted(names)


def summary(options: RetrainOptions) -> Mapping[str, Any]:
    data = {"name": "flowers + more flowers"}
    return {"network": options.network.as_dict(), "options": options.as_dict(), "data": data}


@pytest.mark.parametrize(
    "options",
    [
        RetrainOptions(weights="mobilenet_2_5_224_tf_no_top.h5"),
        RetrainOptions(NetworkSpec("mobilenet_v2", 0.35, 96), fine_tune=10, blocks=4),
        RetrainOptions(
            weights="none",
            training=TrainingOptions(epochs=80, batch=32, rate=0.0004, seed=3, small_share=0.6),
        ),
        RetrainOptions(
            weights="runs/student",
            fine_tune=14,
            teachers=(Path("runs/a"), Path("runs/b")),
            negatives=(Path("negatives"), Path("streets")),
            training=TrainingOptions(views=10),
        ),
    ],
    ids=["head", "fine-tuned", "from scratch", "distilled"],
)
def test_the_command_given_asks_for_the_same_training(options: RetrainOptions) -> None:
    program, *words = shlex.split(retrain_command(summary(options), "mine"))
    parsed = pi_classifier_training.cli.parser().parse_args(words)
    asked = choices_of(parsed)
    assert program == "pi-classifier-train"
    assert asked.network == options.network
    assert asked.as_dict() == options.as_dict()
    assert list(map(str, parsed.image_dir)) == ["flowers", "more flowers"]
