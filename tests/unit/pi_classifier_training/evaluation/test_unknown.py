"""Unknown rejection fitted: on scores made up, and by the command on a real model file."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.data.negatives import negative_photos
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.temperature import calibrated_entries
from pi_classifier_training.evaluation.unknown import (
    FEWEST_NEGATIVES,
    MAX_SILENCED,
    fit_unknown,
)
from pi_classifier_training.modelfile.writer import with_manifest_entries
from PIL import Image

from pi_classifier.inference.classifier import open_classifier, open_model, open_model_bytes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.unknown import UnknownRejection
from pi_classifier.modelfile.manifest import parse_manifest
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.types import Frame

DATA = Path(__file__).resolve().parents[3] / "data"
Scores = NDArray[np.float32]


def softmax(logits: NDArray[np.float64]) -> Scores:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def known_scores(count: int, labels: int, seed: int) -> tuple[Scores, NDArray[np.int64]]:
    """Photos of labels: the true one far ahead, the others all alike."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, labels, count)
    logits = rng.normal(0, 0.3, (count, labels))
    logits[np.arange(count), truth] += rng.uniform(3, 8, count) + np.log(labels / 4)
    return softmax(logits), truth


def nothing_scores(count: int, labels: int, seed: int) -> Scores:
    """Photos of nothing: label 1 as sure, but with label 2 not as far behind."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 0.3, (count, labels))
    logits[:, 1] += rng.uniform(5, 8, count) + np.log(labels / 4)
    logits[:, 2] += 3
    return softmax(logits)


def in_steps(scores: Scores) -> Scores:
    """As a quantized output has them: many photos have one score."""
    return np.asarray(np.round(scores * 8) / 8, np.float32)


def told(entry: object, scores: Scores) -> NDArray[np.bool_]:
    """Which frames the device would find unknown, by the entry as it stands in a file."""
    text = json.dumps({"unknown": entry}).encode()
    unknown = parse_manifest(text, "m.json", scores.shape[1]).unknown
    assert unknown is not None
    rejection = UnknownRejection(unknown)
    return np.array([rejection(row) for row in scores])


@pytest.mark.parametrize("labels", [3, 6, 40])
def test_it_tells_what_the_best_score_does_not(labels: int) -> None:
    known, truth = known_scores(400, labels, seed=1)
    entry = fit_unknown(known, truth, nothing_scores(300, labels, 2))
    others, other_truth = known_scores(400, labels, seed=3)
    right = (others.argmax(axis=1) == other_truth) & (others.max(axis=1) >= 0.7)
    assert told(entry, nothing_scores(300, labels, seed=4)).mean() > 0.8
    assert told(entry, others[right]).mean() < 2 * MAX_SILENCED


@settings(max_examples=25)
@given(st.integers(19, 120), st.sampled_from([0.05, 0.1, 0.5]), st.integers(0, 5))
def test_no_more_right_answers_are_silenced_than_allowed(
    count: int, max_silenced: float, seed: int
) -> None:
    known, truth = known_scores(count, 4, seed)
    known, nothing = in_steps(known), in_steps(nothing_scores(40, 4, seed))
    right = known[(known.argmax(axis=1) == truth) & (known.max(axis=1) >= 0.7)]
    assume(len(right) >= 19)
    entry = fit_unknown(known, truth, nothing, max_silenced=max_silenced)
    if entry is None:
        return
    silenced = told(entry, right).sum()
    assert told(entry, nothing).any()
    assert silenced <= max_silenced * (len(right) + 1) - 1 + 1e-9
    assert entry["silenced"] == pytest.approx(silenced / len(right), abs=1e-4)
    assert entry["fitted"] == {"answers": len(right), "negatives": {"photos": 40}}


def test_a_model_that_knows_nothing_by_its_name_needs_no_weights() -> None:
    known, truth = known_scores(200, 4, seed=1)
    background = np.tile(np.array([[0.9, 0.1, 0, 0]], np.float32), (500, 1))
    called = np.tile(np.array([[0.2, 0.8, 0, 0]], np.float32), (FEWEST_NEGATIVES - 1, 1))
    entry = fit_unknown(known, truth, np.vstack([background, called]), [0])
    assert entry is not None
    assert entry["weights"] == [1.0, 0.0, 0.0, 0.0]
    assert not told(entry, np.array([[0.001, 0.999, 0, 0]], np.float32)).any()
    assert told(entry, np.array([[0.3, 0.7, 0, 0]], np.float32)).all()
    enough = nothing_scores(FEWEST_NEGATIVES, 4, seed=2)
    entry = fit_unknown(known, truth, np.vstack([background, enough]), [0])
    assert entry is not None
    assert np.count_nonzero(entry["weights"]) == 4


def test_where_nothing_is_announced_falsely_nothing_is_silenced() -> None:
    known, truth = known_scores(200, 4, seed=1)
    unsure = np.tile(np.array([[0.4, 0.3, 0.2, 0.1]], np.float32), (50, 1))
    assert fit_unknown(known, truth, unsure) is None
    # One that is: all right answers below it stay.
    odd = np.array([[0.2, 0.7, 0.1, 0]], np.float32)
    entry = fit_unknown(known, truth, np.vstack([unsure, odd]))
    assert entry is not None
    assert told(entry, odd).all()
    right = known[(known.argmax(axis=1) == truth) & (known.max(axis=1) >= 0.7)]
    assert told(entry, right).mean() < MAX_SILENCED


@settings(max_examples=25)
@given(st.sampled_from([1, 3, 12, 60]), st.integers(0, 5))
def test_right_answers_are_silenced_only_for_as_many_photos_of_nothing(
    called: int, seed: int
) -> None:
    """Where few of them are announced at all, silence would cost more than it wins."""
    known, truth = known_scores(200, 4, seed)
    background = np.tile(np.array([[0.9, 0.1, 0, 0]], np.float32), (100 - called, 1))
    nothing = np.vstack([background, nothing_scores(called, 4, seed)])
    right = known[(known.argmax(axis=1) == truth) & (known.max(axis=1) >= 0.7)]
    false = nothing[(nothing.argmax(axis=1) > 0) & (nothing.max(axis=1) >= 0.7)]
    entry = fit_unknown(known, truth, nothing, [0], max_silenced=0.3)

    def mistakes(threshold: float) -> float:
        tried = {**(entry or {}), "threshold": threshold}
        silenced, kept = told(tried, right).mean(), (~told(tried, false)).sum()
        return float(silenced + kept / len(nothing))

    if entry is None:
        return
    fewest = mistakes(entry["threshold"])
    assert fewest < len(false) / len(nothing)
    for higher in np.linspace(entry["threshold"], entry["threshold"] + 5, 20):
        assert fewest <= mistakes(float(higher)) + 1e-9


def test_one_photo_of_nothing_silences_no_two_right_answers() -> None:
    known, truth = known_scores(200, 4, seed=1)
    background = np.tile(np.array([[0.9, 0.1, 0, 0]], np.float32), (99, 1))
    # As much like a label as a right answer in twenty-five.
    alike = np.array([[1 - 0.97, 0.97, 0, 0]], np.float32)
    assert fit_unknown(known, truth, np.vstack([background, alike]), [0]) is None
    unlike = np.array([[0.28, 0.72, 0, 0]], np.float32)
    assert fit_unknown(known, truth, np.vstack([background, unlike]), [0]) is not None


def test_too_few_photos_are_refused() -> None:
    known, truth = known_scores(18, 4, seed=1)
    nothing = nothing_scores(FEWEST_NEGATIVES, 4, seed=2)
    with pytest.raises(TrainingError, match=r"18 validation photos .* expected 19"):
        fit_unknown(known, truth, nothing)
    with pytest.raises(TrainingError, match="0 validation photos get their label"):
        fit_unknown(known, (truth + 1) % 4, nothing)
    known, truth = known_scores(60, 4, seed=1)
    with pytest.raises(TrainingError, match="29 photos of nothing are too few"):
        fit_unknown(known, truth, nothing[1:])


def test_the_entry_of_many_labels_is_no_larger_than_a_golden_vector() -> None:
    labels = 5000
    known, truth = known_scores(60, labels, seed=1)
    nothing = nothing_scores(40, labels, seed=2)
    entry = fit_unknown(known, truth, nothing)
    assert len(json.dumps(entry, indent=1)) < 20 * labels


# What the network in tests/data takes for magenta, though it is none.
COLORS = {"background": (120, 120, 120), "cyan": (0, 200, 200), "magenta": (200, 0, 200)}
PINK = (240, 90, 150)


def draw(folder: Path, color: tuple[int, ...], count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        noise = rng.normal(0, 20, (16, 16, 3)) + np.array(color) * rng.uniform(0.8, 1.1)
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed, (label, color) in enumerate(COLORS.items()):
        draw(folder / "colors" / label, color, 150, seed)
    for place in range(8):
        draw(folder / "nothing" / f"place {place}", PINK, 12, 10 + place)
    return folder


def calibrate(model: Path, photos: Path) -> int:
    data = ["--image-dir", str(photos / "colors"), "--negatives", str(photos / "nothing")]
    return main(["calibrate", str(model), *data])


@pytest.mark.parametrize("name", ["int8", "logits"])
def test_the_command_writes_what_the_device_applies(
    name: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes((DATA / f"{name}.tflite").read_bytes())
    assert calibrate(model, photos) == 0
    said = capsys.readouterr().out
    manifest = read_model_file(model).manifest
    assert manifest.unknown is not None
    # Seven of the eight places: the other one judges.
    fitted = manifest.details["unknown"]["fitted"]["negatives"]
    assert fitted == {"photos": 7 * 12, "name": "nothing"}
    assert manifest.golden
    classifier = open_classifier(ModelSettings(path=str(model), cache_dir=""))
    for color, unknown in ((PINK, True), (COLORS["magenta"], False), (COLORS["cyan"], False)):
        pixels = np.full((16, 16, 3), color, np.uint8)
        assert classifier.classify(Frame(pixels, 0, 0)).unknown is unknown
    classifier.close()
    before, after = re.findall(r"announced falsely  ([\d.]+)% → ([\d.]+)%", said)[0]
    assert float(before) > 25
    assert float(after) == 0
    # Fitted to all places but these: only they may judge it, also later.
    data = ["--image-dir", str(photos / "colors"), "--unknown", str(photos / "nothing")]
    assert main(["evaluate", str(model), *data, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["unknown"]
    assert (record["n"], record["sources"], record["held_out"]) == (12, 1, True)
    assert record["share"] == 0
    # A third of them shows the silent label, which is never announced.
    assert record["known"]["announced"] > 0.6


def test_a_run_with_negatives_has_it_in_every_file_it_exports(photos: Path) -> None:
    labeled = scan([photos / "colors"])
    nothing = [photo for photo in negative_photos([photos / "nothing"]) if photo.split != "test"]
    classifier = open_model(DATA / "int8.tflite", ModelSettings(top_k=0, cache_dir=""))
    with closing(classifier):
        alone = calibrated_entries(classifier, labeled[::3])
        entries = calibrated_entries(classifier, [*labeled[::3], *nothing], nothing)
        few = calibrated_entries(classifier, [*labeled[:18], *nothing], nothing)
    assert set(alone) == {"calibration", "thresholds"}
    assert set(few) == set(alone)
    assert entries["unknown"]["fitted"]["negatives"] == {"photos": 7 * 12}
    pink = np.full((16, 16, 3), PINK, np.uint8)
    content = with_manifest_entries((DATA / "int8.tflite").read_bytes(), entries)
    with closing(open_model_bytes(content, "model.tflite", ModelSettings())) as finished:
        assert finished.classify(Frame(pink, 0, 0)).unknown


def test_a_model_is_not_asked_about_places_that_it_has_learned(
    photos: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.tflite"
    learned = {"data": {"negatives": {"name": "nothing"}}}
    content = (DATA / "int8.tflite").read_bytes()
    model.write_bytes(with_manifest_entries(content, {"training": learned}))
    assert calibrate(model, photos) == 0
    entry = read_model_file(model).manifest.details["unknown"]
    assert entry["fitted"]["negatives"]["photos"] == 12
    # So few fit no weights; the silent label's own score is taken.
    assert entry["weights"] == [1.0, 0.0, 0.0, 0.0]


def test_independent_scores_and_cascades_are_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    content = (DATA / "independent.tflite").read_bytes()
    model.write_bytes(with_manifest_entries(content, {"silent_labels": []}))
    labels = read_model_file(model).labels
    for seed, label in enumerate(labels):
        draw(tmp_path / "colors" / label, (200, 0, 0), 30, seed)
    before = model.read_bytes()
    data = ["--negatives", str(photos / "nothing")]
    assert main(["calibrate", str(model), "--image-dir", str(tmp_path / "colors"), *data]) == 78
    assert "independent of one another" in capsys.readouterr().err
    assert model.read_bytes() == before
    both = [str(DATA / "int8.tflite"), str(DATA / "float32.tflite")]
    folders = ["--image-dir", str(photos / "colors"), "-o", str(tmp_path / "cascade.toml")]
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", *both, *folders, *data])
    assert ended.value.code == 2
    assert "--negatives is for one model" in capsys.readouterr().err
