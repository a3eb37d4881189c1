"""Models that others made and published; used in place, never part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_classifier.errors import ModelMismatch
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.types import Frame

SHARED = Path(__file__).resolve().parents[3] / "shared"
MODELS = (
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v1_0.25_224_float_metadata",
    "mobilenet_v1_0.25_224_quant_metadata",
    "mobilenet_v2_1.0_224_quant",
)
CATS = ("tabby", "tiger cat", "egyptian cat")

pytestmark = pytest.mark.skipif(
    not (SHARED / "models").is_dir(), reason=f"{SHARED} IS MISSING: foreign models untested"
)


@pytest.mark.parametrize("runtime", installed_runtimes())
@pytest.mark.parametrize("labels", [None, "models/imagenet_labels.txt"])
@pytest.mark.parametrize("name", MODELS)
def test_cat_and_parrot_are_among_the_first_three(
    name: str, labels: str | None, runtime: str
) -> None:
    settings = ModelSettings(
        path=str(SHARED / "models" / f"{name}.tflite"),
        labels=str(SHARED / labels) if labels else None,
        runtime=runtime,
        cache_dir="",
        top_k=3,
    )
    classifier = open_classifier(settings)
    seen = {}
    for image in ("cat", "parrot"):
        pixels = load_image(SHARED / "images" / f"{image}.jpg")
        prediction = classifier.classify(Frame(pixels, 0, 0))
        seen[image] = [category.label.lower() for category in prediction.categories]
    classifier.close()
    assert any(label.startswith(CATS) for label in seen["cat"])
    assert "macaw" in seen["parrot"]


def test_too_few_labels_for_a_foreign_model(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    lines = (SHARED / "models" / "imagenet_labels.txt").read_text().splitlines()
    labels.write_text("\n".join(lines[1:]))
    path = SHARED / "models" / f"{MODELS[0]}.tflite"
    with pytest.raises(ModelMismatch, match=r"1001 outputs.*1000 labels.*background"):
        open_classifier(ModelSettings(path=str(path), labels=str(labels), cache_dir=""))
