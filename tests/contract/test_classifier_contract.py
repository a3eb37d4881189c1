"""What every classifier must do, whatever runs it: one suite over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pi_classifier.errors import InferenceError
from pi_classifier.inference.cascade import Cascade, Stage
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.types import Classifier, Frame

DATA = Path(__file__).resolve().parent.parent / "data"
KINDS = (
    "float32", "uint8", "int8", "dynamic", "normalized", "logits",
    "float16", "int16", "gray", "bgr", "channels-first",
)  # fmt: skip
LABELS = ("background", "cyan", "magenta", "yellow")
COLORS = {
    "cyan": (0, 200, 200),
    "magenta": (200, 0, 200),
    "yellow": (200, 200, 0),
    "background": (120, 120, 120),
}
Open = Callable[[Path], Classifier]


def model(kind: str, runtime: str, cached: bool) -> Open:
    def opened(folder: Path) -> Classifier:
        cache_dir = str(folder) if cached else ""
        path = str(DATA / f"{kind}.tflite")
        return open_classifier(ModelSettings(path=path, runtime=runtime, cache_dir=cache_dir))

    return opened


def cascade(accept: float, top_k: int) -> Open:
    def opened(folder: Path) -> Classifier:
        stages = [
            open_classifier(ModelSettings(path=str(DATA / name), cache_dir="", top_k=top_k))
            for name in ("uint8.tflite", "float32.tflite")
        ]
        return Cascade([Stage(stages[0], accept), Stage(stages[1])])

    return opened


def cascade_file(folder: Path) -> Classifier:
    (folder / "cascade.toml").write_text(
        f'name = "colors"\n[[stage]]\nmodel = "{DATA}/uint8.tflite"\naccept = 0.9\n'
        f'[[stage]]\nmodel = "{DATA}/float32.tflite"\n'
    )
    return open_classifier(ModelSettings(path=str(folder), cache_dir=""))


CLASSIFIERS: dict[str, Open] = {
    "cascade that accepts": cascade(0.0, 0),
    "cascade that defers": cascade(1.1, 2),
    "cascade file": cascade_file,
}
for _runtime in installed_runtimes():
    for _kind in KINDS:
        CLASSIFIERS[f"{_kind} on {_runtime}"] = model(_kind, _runtime, cached=False)
        if _runtime == "litert":
            CLASSIFIERS[f"{_kind} on litert, cached"] = model(_kind, _runtime, cached=True)


@pytest.fixture(params=CLASSIFIERS, scope="module")
def classifier(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Classifier]:
    opened = CLASSIFIERS[request.param](tmp_path_factory.mktemp("classifier"))
    yield opened
    opened.close()


def frame(pixels: np.ndarray) -> Frame:
    pixels.flags.writeable = False
    return Frame(pixels, 0, 0)


def patch(label: str, height: int = 48, width: int = 64) -> Frame:
    rng = np.random.default_rng(3)
    noisy = np.array(COLORS[label]) + rng.normal(0, 15, (height, width, 3))
    return frame(np.clip(noisy, 0, 255).astype(np.uint8))


def test_knows_its_name_and_labels(classifier: Classifier) -> None:
    assert classifier.name
    assert tuple(classifier.labels) == LABELS


@pytest.mark.parametrize("label", LABELS)
def test_recognizes_what_it_was_trained_on(classifier: Classifier, label: str) -> None:
    prediction = classifier.classify(patch(label))
    assert prediction.top.label == label
    assert prediction.top.score > 0.7


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (16, 16), (17, 15), (1, 40), (480, 640), (100, 33)]
)
def test_predictions_are_sound_for_frames_of_any_size(
    classifier: Classifier, height: int, width: int
) -> None:
    rng = np.random.default_rng(height)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = pixels.copy()
    prediction = classifier.classify(frame(pixels))
    assert (pixels == before).all()
    assert prediction.latency_ns > 0
    assert prediction.stage >= 0
    assert prediction.model
    scores = [c.score for c in prediction.categories]
    assert scores == sorted(scores, reverse=True)
    assert all(math.isfinite(score) and 0 <= score <= 1 for score in scores)
    assert sum(scores) <= 1.02
    assert len({c.index for c in prediction.categories}) == len(prediction.categories) > 0
    for category in prediction.categories:
        assert classifier.labels[category.index] == category.label


def test_the_same_frame_gives_the_same_prediction(classifier: Classifier) -> None:
    first = classifier.classify(patch("cyan"))
    kept = [(c.index, c.score) for c in first.categories]
    other = classifier.classify(patch("yellow"))
    again = classifier.classify(patch("cyan"))
    # A later frame must not change an earlier answer.
    assert [(c.index, c.score) for c in first.categories] == kept
    assert again.categories == first.categories
    assert other.categories != first.categories


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_closed_classifier_refuses_frames(name: str, tmp_path: Path) -> None:
    opened = CLASSIFIERS[name](tmp_path)
    opened.classify(patch("cyan"))
    opened.close()
    opened.close()
    with pytest.raises(InferenceError, match="was closed"):
        opened.classify(patch("cyan"))


@pytest.mark.parametrize("language", ["its own", "another"])
def test_label_thresholds_of_a_cascade_hold_in_any_language(tmp_path: Path, language: str) -> None:
    (tmp_path / "cascade.toml").write_text(
        f'[[stage]]\nmodel = "{DATA}/uint8.tflite"\naccept = 0.0\naccept_labels = {{ cyan = 1 }}\n'
        f'[[stage]]\nmodel = "{DATA}/float32.tflite"\n'
    )
    names = LABELS if language == "its own" else ("Grund", "Zyan", "Rot", "Gelb")
    stated = tmp_path / "stated.txt"
    stated.write_text("\n".join(names))
    settings = ModelSettings(path=str(tmp_path), cache_dir="", labels=str(stated))
    opened = open_classifier(settings)
    answers = [opened.classify(patch(label)) for label in LABELS]
    opened.close()
    assert [answer.top.label for answer in answers] == list(names)
    assert [answer.stage for answer in answers] == [0, 1, 0, 0]
