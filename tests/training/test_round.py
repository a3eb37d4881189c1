"""``round`` on a really trained network: what stays, what is saved, what it costs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.cli import main
from pi_classifier_training.compression.rounding import delivery, frontier, search
from pi_classifier_training.compression.rounding import trials as rounding_trials
from pi_classifier_training.compression.rounding.delivery import RoundOptions, round_model
from pi_classifier_training.compression.rounding.float_file import packed_bytes, read_float_model
from pi_classifier_training.compression.rounding.search import for_saving, for_target_loss, within
from pi_classifier_training.compression.rounding.trials import RoundingTrials
from pi_classifier_training.errors import DatasetError, ExportError, TrainingError

from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.modelfile.model_graph import ModelGraph, Tensor, read_model_graph


@dataclass(frozen=True, slots=True)
class Rounded:
    float_file: Path
    file: Path
    printed: str

    def tensors(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each constant of the float file with the same of the rounded one."""
        before, after = graph_of(self.float_file), graph_of(self.file)
        for old, new in zip(before.tensors, after.tensors, strict=True):
            if old.constant:
                yield old, new

    def saving(self) -> float:
        return 1 - packed_bytes(self.file.read_bytes()) / self.float_file.stat().st_size


def graph_of(path: Path) -> ModelGraph:
    return read_model_graph(path.read_bytes())


@pytest.fixture(scope="module", autouse=True)
def few_photos() -> Iterator[None]:
    """Discs are easy to fit to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounding_trials, "CALIBRATION_PHOTOS", 24)
        yield


@pytest.fixture(scope="module")
def rounded(run: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Rounded:
    """The discs' float model at a saving of 70 %."""
    return round_discs(run, photos, tmp_path_factory.mktemp("rounded") / "out.tflite")


def round_discs(run: Path, photos: Path, out: Path) -> Rounded:
    lines = round_model(run / "float32.tflite", out, [photos], RoundOptions(saving=0.7))
    return Rounded(run / "float32.tflite", out, "\n".join(lines))


@pytest.fixture(scope="module")
def trials(run: Path, photos: Path) -> RoundingTrials:
    """What is tried once is remembered for the other tests."""
    return RoundingTrials(read_float_model(run / "float32.tflite"), [photos])


def test_the_saving_is_reached(rounded: Rounded) -> None:
    assert 0.70 <= rounded.saving() < 0.74
    assert f"{rounded.saving():.1%} less than the float file's" in rounded.printed


def test_large_layers_have_few_values_and_all_have_zero_bytes(rounded: Rounded) -> None:
    weights = {o.inputs[1] for o in read_float_model(rounded.float_file).layers}
    for old, new in rounded.tensors():
        if old.index not in weights:
            continue
        values = np.asarray(new.values(), np.float32)
        assert np.isfinite(values).all()
        # Multiples of a power of two: the last byte of each is empty.
        assert not (values.view(np.uint32) & 0xFF).any()
        if values.size >= 10_000:
            assert len(np.unique(values)) <= 1000
            assert (values == 0).any()


def test_only_weights_and_biases_change(rounded: Rounded) -> None:
    source = read_float_model(rounded.float_file)
    weights = {o.inputs[1] for o in source.layers}
    for old, new in rounded.tensors():
        changed = bytes(old.data) != bytes(new.data)
        assert changed or old.index not in weights
        assert not changed or old.index in weights | source.biases


def test_structure_and_alignment_stay(rounded: Rounded) -> None:
    """Weights lie as they lay, moved together: the file can be memory-mapped as before."""
    moved = {new.offset - old.offset for old, new in rounded.tensors()}
    assert len(moved) == 1
    assert moved.pop() % 16 == 0
    before, after = graph_of(rounded.float_file), graph_of(rounded.file)
    assert [(o.kind, o.inputs, o.outputs) for o in before.operations] == [
        (o.kind, o.inputs, o.outputs) for o in after.operations
    ]
    assert [(t.name, t.shape, t.dtype) for t in before.tensors] == [
        (t.name, t.shape, t.dtype) for t in after.tensors
    ]


def test_the_file_says_what_it_is_and_passes_its_self_test(rounded: Rounded) -> None:
    before, after = (read_model_file(f) for f in (rounded.float_file, rounded.file))
    details = after.manifest.details
    assert (details["kind"], details["rounding"]["method"]) == ("rounded", "compensated")
    assert details["evaluation"]["top1"] == pytest.approx(details["rounding"]["test"]["top1"])
    assert details["training"] == before.manifest.details["training"]
    assert after.labels == before.labels
    assert len(after.manifest.golden) == 4
    # Opening replays the golden vectors, which are the rounded network's own.
    classifier = open_model(rounded.file, ModelSettings())
    classifier.close()
    assert any(
        (a.scores != b.scores).any()
        for a, b in zip(before.manifest.golden, after.manifest.golden, strict=True)
    )


def test_the_network_still_knows_its_labels(rounded: Rounded) -> None:
    details = read_model_file(rounded.file).manifest.details["rounding"]
    for split in ("validation", "test"):
        assert details[split]["n"] >= 10
        assert details[split]["agreement"] >= 0.9


def test_the_same_bytes_again(
    rounded: Rounded, run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = read_model_file(rounded.file).manifest.details["rounding"]["setting"]
    # Begins where the first search ended, so that this one ends at once.
    monkeypatch.setattr(search, "FIRST", float(setting.partition("^")[2]))
    again = round_discs(run, photos, tmp_path / "again.tflite")
    assert again.file.read_bytes() == rounded.file.read_bytes()


def test_compensated_beats_the_classic(rounded: Rounded, tmp_path: Path) -> None:
    """At no smaller saving the scores move far less than by one set of levels a tensor."""
    out = tmp_path / "classic.tflite"
    options = ["--method", "classic", "--levels", "256", "--accept-loss", "100"]
    assert main(["round", str(rounded.float_file), str(out), *options]) == 0
    settings = ModelSettings(cache_dir="")
    models = [open_model(f, settings) for f in (rounded.float_file, rounded.file, out)]
    exact, ours, theirs = (
        np.stack([m.raw_scores(p).copy() for p in _pictures(m.input_size)]) for m in models
    )
    for model in models:
        model.close()
    assert np.abs(ours - exact).mean() < 0.5 * np.abs(theirs - exact).mean()


def _pictures(size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    for _ in range(24):
        tiles = rng.integers(0, 256, (4, 4, 3), np.uint8)
        yield np.kron(tiles, np.ones((size[0] // 4, size[1] // 4, 1), np.uint8))


@pytest.mark.parametrize("folder", ["photos", "none"])
def test_a_network_is_not_ruined_unless_that_is_asked_for(
    folder: str, run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three values a tensor are too few; what is said depends on what could be measured."""
    given = ["--image-dir", str(photos)] if folder == "photos" else []
    words = ["round", str(run / "float32.tflite"), str(tmp_path / "out.tflite")]
    words += ["--method", "classic", "--levels", "3", *given]
    assert main(words) == 78
    message = capsys.readouterr().err
    assert "nothing was written: rounding (classic, 3 levels)" in message
    seen = r"loses \d+\.\d points of top-1 on the \d+ validation photos"
    if not given:
        seen = r"the labels of \d+ % of 100 drawn pictures .* more than the 20 % .*--image-dir"
    assert re.search(seen, message)
    assert list(tmp_path.iterdir()) == []


def test_without_photos_layers_are_fitted_to_drawn_pictures(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.tflite"
    assert main(["round", str(run / "float32.tflite"), str(out), "--saving", "0.6"]) == 0
    printed = capsys.readouterr().out
    details = read_model_file(out).manifest.details
    drawn = details["rounding"]["drawn"]
    assert drawn["n"] == 100
    assert drawn["agreement"] >= 0.8
    assert drawn["divergence"] <= 0.05
    assert f"100 drawn pictures: {drawn['agreement']:.0%} get the same label" in printed
    assert "accuracy was not measured" in printed
    assert "evaluation" not in details


def test_without_photos_a_network_that_would_be_ruined_is_rounded_finer_or_not_at_all(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try is far too coarse; nothing finer can be tried, then it can."""
    source, out = run / "float32.tflite", tmp_path / "out.tflite"
    for name in ("FIRST", "FINEST", "COARSEST"):
        monkeypatch.setattr(search, name, -12.0)
    monkeypatch.setattr(delivery, "USUAL_SAVING", 0.5)
    assert main(["round", str(source), str(out)]) == 78
    message = capsys.readouterr().err
    assert "tolerance 2^-12" in message
    assert "--image-dir" in message
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(search, "FINEST", -40.0)
    monkeypatch.setattr(search, "FINER", 14.0)
    monkeypatch.setattr(delivery, "USUAL_SAVING", 0.85)
    assert main(["round", str(source), str(out)]) == 0
    assert "less than 85.0%: coarser rounding changed too much" in capsys.readouterr().out
    drawn = read_model_file(out).manifest.details["rounding"]["drawn"]
    assert drawn["agreement"] >= 0.8
    assert drawn["divergence"] <= 0.05


def test_simple_methods_need_no_photos_and_say_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "channel.tflite"
    options = ["--method", "channel", "--levels", "64", "--accept-loss", "100"]
    assert main(["round", str(run / "float32.tflite"), str(out), *options]) == 0
    assert "never use a rounded model unevaluated" in capsys.readouterr().out
    details = read_model_file(out).manifest.details
    assert "evaluation" not in details
    source = read_float_model(out)
    for layer in source.layers:
        if layer.kind == "CONV_2D":
            values = np.asarray(source.graph.tensors[layer.inputs[1]].values())
            assert max(len(np.unique(row)) for row in values) <= 64


def test_a_file_that_was_rounded_before_is_rounded_with_a_warning(
    rounded: Rounded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["round", str(rounded.file), str(tmp_path / "again.tflite"), "--method", "channel"]
    assert main([*words, "--accept-loss", "100"]) == 0
    assert f"warning: {rounded.file} was rounded before" in capsys.readouterr().out


def test_a_target_loss_is_kept(trials: RoundingTrials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "COARSEST", search.FIRST + 1)
    exact = trials.float_figures("validation")
    found = {points: for_target_loss(trials, points) for points in (0.0, 40.0)}
    for points, attempt in found.items():
        assert within(exact, trials.figures(attempt, "validation"), points)
    assert found[40.0].setting == "tolerance 2^-27"
    assert found[40.0].saving >= found[0.0].saving


def test_figures_are_of_the_weights_not_of_the_words_for_them(trials: RoundingTrials) -> None:
    """Fitted to drawn pictures a tolerance gives other weights than fitted to photos."""
    own = trials.by_levels("channel", 256)
    zeros = {index: np.zeros_like(weights) for index, weights in own.weights.items()}
    other = replace(own, weights=zeros)
    assert trials.figures(own, "test") is trials.figures(own, "test")
    assert trials.figures(other, "test").divergence > 2 * trials.figures(own, "test").divergence


def test_a_saving_out_of_reach(trials: RoundingTrials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "COARSEST", search.FIRST + 1)
    with pytest.raises(TrainingError, match=r"--saving 0\.99: .* ask for less"):
        for_saving(trials, 0.99)


def test_the_frontier(
    trials: RoundingTrials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (
        ("CLASSIC_LEVELS", (256,)),
        ("CHANNEL_LEVELS", (256,)),
        ("EXPONENTS", (-27.0,)),
    ):
        monkeypatch.setattr(frontier, name, few)
    chosen = trials.by_tolerance(-28.0)
    lines = list(frontier.write_frontier(trials, chosen, tmp_path / "f"))
    rows = json.loads((tmp_path / "f/frontier.json").read_text())
    assert [r["method"] for r in rows] == [
        "float", "classic", "channel", "compensated", "compensated",
    ]  # fmt: skip
    assert rows[-1]["saving"] > rows[-2]["saving"] > rows[0]["saving"]
    assert len((tmp_path / "f/frontier.csv").read_text().splitlines()) == 6
    assert "</svg>" in (tmp_path / "f/frontier.svg").read_text()
    assert sum(line.startswith("| compensated |") for line in lines) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--levels", "64"], "compensated chooses the levels"),
        (["--target-loss", "0.5"], "is measured on photos: give --image-dir"),
        (["--method", "channel", "--saving", "0.8"], "--saving goes with --method compensated"),
        (["--method", "classic", "--target-loss", "1"], "--target-loss goes with"),
        (["--method", "classic", "--levels", "2"], "--levels 2: expected a number from 3"),
        (["--method", "channel", "--frontier", "f"], "--frontier measures accuracy"),
    ],
)
def test_wrong_options(
    run: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.tflite"
    assert main(["round", str(run / "float32.tflite"), str(out), *options]) != 0
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_more_levels_than_there_are_numbers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["round", str(run / "float32.tflite"), "x.tflite", "--levels", "65537"])
    assert ended.value.code == 2
    assert "to 65536" in capsys.readouterr().err


def test_the_float_file_is_not_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(run / "float32.tflite")
    before = (run / "float32.tflite").read_bytes()
    assert main(["round", model, model, "--method", "channel"]) != 0
    assert "is the float file itself" in capsys.readouterr().err
    assert (run / "float32.tflite").read_bytes() == before


def test_a_quantized_model_is_refused(run: Path) -> None:
    with pytest.raises(ExportError, match=r"is quantized already.*float32\.tflite"):
        read_float_model(run / "int8.tflite")


def test_too_few_photos(run: Path, photos: Path, tmp_path: Path) -> None:
    two = [next((photos / label).iterdir()) for label in ("cyan", "magenta")]
    _linked(tmp_path / "few", two)
    trials = RoundingTrials(read_float_model(run / "float32.tflite"), [tmp_path / "few"])
    with pytest.raises(DatasetError, match=r"2 training photos .* at least 8"):
        trials.by_tolerance(-28.0)
    with pytest.raises(DatasetError, match="none of the 2 photos belongs to the validation"):
        trials.float_figures("validation")
    for part in ("train", "valid"):
        _linked(tmp_path / "held" / part, two)
    trials = RoundingTrials(read_float_model(run / "float32.tflite"), [tmp_path / "held"])
    with pytest.raises(TrainingError, match="2 validation photos are too few"):
        for_target_loss(trials, 0.5)


def _linked(folder: Path, photos: list[Path]) -> None:
    for photo in photos:
        (folder / photo.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / photo.parent.name / photo.name).symlink_to(photo)
