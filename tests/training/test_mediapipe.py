"""Model files go both ways: ours load in MediaPipe and say the same; others' evaluate here.

MediaPipe lives in an environment of its own, since it brings another OpenCV and
matplotlib along:

    python3 -m venv .venv-mediapipe && .venv-mediapipe/bin/pip install mediapipe==1.2.2
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pi_classifier_training.cli import main
from pi_classifier_training.conversion.converter import to_tflite
from pi_classifier_training.evaluation.evaluate import EvaluationOptions, evaluate
from PIL import Image

from pi_classifier.cameras.emulated.scenes import LABELS as SCENES
from pi_classifier.cameras.emulated.scenes import Scene
from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.types import Frame

from .conftest import PHOTOS
from .foreign import LABELS, SIDE, keras_net, write_labels

ROOT = Path(__file__).resolve().parents[2]
FLOWERS = ROOT / "models" / "flowers"
SHARED = ROOT.parent / "shared"
PYTHON = ROOT / ".venv-mediapipe" / "bin" / "python"
PICTURES = 24

Outcomes = dict[str, list[tuple[str, float]]]


def scenes(side: int) -> dict[str, NDArray[np.uint8]]:
    """Drawn scenes just as large as a model's input: nothing is resized by either program."""
    drawn = {}
    for i in range(PICTURES):
        label = SCENES[i % len(SCENES)]
        rng = np.random.default_rng((77, i))
        drawn[f"{label}-{i}"] = Scene.draw(label, rng).render(side, side, 1.0, rng)
    return drawn


def mediapipe(folder: Path, models: dict[Path, int]) -> dict[str, Outcomes]:
    """What MediaPipe says of the scenes as large as each model's input, or skip without it."""
    if not PYTHON.is_file():
        pytest.skip(f"no MediaPipe: {PYTHON} is not there; see the top of {Path(__file__).name}")
    for side in set(models.values()):
        np.savez(folder / f"{side}.npz", allow_pickle=False, **scenes(side))
    script = ROOT / "tests" / "mediapipe" / "classify.py"
    asked = [place for model, side in models.items() for place in (folder / f"{side}.npz", model)]
    command = [PYTHON, script, *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Outcomes] = json.loads(done.stdout)
    return found


def compared(model: Path, side: int, theirs: Outcomes) -> tuple[int, float, set[str]]:
    """How often both name the same label first, the largest difference, the labels named."""
    same, off, named = 0, 0.0, set()
    settings = ModelSettings(cache_dir="", top_k=0)
    with contextlib.closing(open_model(model, settings)) as classifier:
        for name, pixels in scenes(side).items():
            top = classifier.classify(Frame(pixels, 0, 0)).top.label
            same += top == theirs[name][0][0]
            named.add(top)
            # MediaPipe does not know of a calibration temperature: the network's own scores.
            own = dict(zip(classifier.labels, classifier.raw_scores(pixels), strict=True))
            off = max(off, *(abs(own[label] - score) for label, score in theirs[name]))
    return same, off, named


# Pictures have each model's own size: another resize would be compared as well.
SHIPPED = {
    FLOWERS / name: read_model_file(FLOWERS / name).manifest.details["input"]["size"][0]
    for name in ("fast.tflite", "accurate.tflite")
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mediapipe")


@pytest.fixture(scope="module")
def floats(folder: Path) -> list[Path]:
    """Imported float models: one that takes raw pixels, one that takes normalized ones."""
    return [float_model(folder / str(rescaling), rescaling) for rescaling in (True, False)]


@pytest.fixture(scope="module")
def theirs(folder: Path, floats: list[Path]) -> dict[str, Outcomes]:
    """What MediaPipe, started once, says with all models."""
    return mediapipe(folder, SHIPPED | dict.fromkeys(floats, SIDE))


def test_shipped_models_load_and_agree(theirs: dict[str, Outcomes]) -> None:
    for model, side in SHIPPED.items():
        same, off, named = compared(model, side, theirs[str(model)])
        assert same == PICTURES
        # Two full-integer kernels may round differently by a few of 256 steps.
        assert off <= 0.06
        assert len(named) >= 5


def float_model(folder: Path, rescaling: bool) -> Path:
    folder.mkdir()
    net = keras_net(rescaling=rescaling)
    batch = np.stack(list(scenes(SIDE).values())).astype(np.float32)
    scores = np.asarray(net(batch if rescaling else (batch - 120) / 60, training=False))
    kernel, bias = net.layers[-1].get_weights()
    # No label is first for all scenes.
    net.layers[-1].set_weights([kernel, bias - np.log(scores + 1e-9).mean(axis=0)])
    net.save(folder / "net.keras")
    write_labels(folder)
    stated = [] if rescaling else ["--mean", "120", "120", "120", "--std", "60", "60", "60"]
    model = folder / "net.tflite"
    assert main(["import", str(folder / "net.keras"), "-o", str(model), *stated]) == 0
    return model


@pytest.mark.parametrize("number", [0, 1], ids=["raw-pixels", "normalized"])
def test_a_float_model_loads_and_agrees(
    number: int, floats: list[Path], theirs: dict[str, Outcomes]
) -> None:
    model = floats[number]
    same, off, named = compared(model, SIDE, theirs[str(model)])
    assert same == PICTURES
    assert off <= 1e-4
    assert len(named) >= 2


def test_a_file_written_elsewhere_evaluates_here(photos: Path, tmp_path: Path) -> None:
    """A bare converter's output, labels beside it, its normalization known to its maker."""
    net = keras_net(rescaling=False)
    model = tmp_path / "elsewhere.tflite"
    model.write_bytes(to_tflite(lambda x: net(x, training=False), SIDE, "elsewhere"))
    write_labels(tmp_path)
    settings = ModelSettings(mean=(127.5,) * 3, std=(127.5,) * 3, cache_dir="", resize="stretch")
    record = evaluate(str(model), [photos], EvaluationOptions(split="all"), settings)
    files = sorted(photos.rglob("*.png"))
    images = [
        Image.open(f).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX) for f in files
    ]
    batch = (np.stack([np.asarray(i) for i in images]).astype(np.float32) - 127.5) / 127.5
    best = np.argmax(net(batch, training=False), axis=1)
    right = np.mean([LABELS[i] == f.parent.name for i, f in zip(best, files, strict=True)])
    assert record["n"] == len(files) == PHOTOS
    # Another filter of the resize moves a few photos at the border.
    assert record["top1"] == pytest.approx(right, abs=0.05)


@pytest.mark.parametrize(
    ("name", "cat"),
    [
        ("mobilenet_v1_0.25_224_float_metadata", "Egyptian cat"),
        ("mobilenet_v2_1.0_224_quant", "Egyptian cat"),
    ],
)
def test_a_published_file_evaluates_here(name: str, cat: str, tmp_path: Path) -> None:
    model, images = SHARED / "models" / f"{name}.tflite", SHARED / "images"
    if not (model.is_file() and images.is_dir()):
        pytest.skip(f"published model {model} or its photos are not here")
    for label, image in ((cat, "cat.jpg"), ("macaw", "parrot.jpg")):
        (tmp_path / label).mkdir()
        shutil.copy(images / image, tmp_path / label / image)
    record: dict[str, Any] = evaluate(str(model), [tmp_path], EvaluationOptions(split="all"))
    assert (record["n"], record["top1"]) == (2, 1.0)
