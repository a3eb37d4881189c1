"""The networks are those the published weights belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.errors import TrainingError
from training.networks.network import NetworkSpec, build_backbone, load_weights


@pytest.mark.parametrize(("name", "variance"), [("mobilenet_v1", 0.02), ("mobilenet_v2", 0.1)])
def test_published_weights_give_the_published_embedding(
    name: str, variance: float, tmp_path: Path
) -> None:
    import keras

    spec = NetworkSpec(name, 0.5, 96)
    source = {"mobilenet_v1": keras.applications.MobileNet}.get(
        name, keras.applications.MobileNetV2
    )
    keras.utils.set_random_seed(3)
    published = source(
        input_shape=(96, 96, 3), alpha=0.5, include_top=False, weights=None, pooling="avg"
    )
    # Fresh moving averages are all 0 and 1: give every weight a value of its own, and
    # small variances, so that the image neither fades on its way through nor is amplified
    # until rounding shows.
    rng = np.random.default_rng(3)
    published.set_weights(
        [
            v.numpy() * rng.uniform(0.8, 1.2, v.shape) * (variance if "variance" in v.path else 1)
            + rng.uniform(-0.02, 0.02, v.shape) * ("variance" not in v.path)
            for v in published.weights
        ]
    )
    path = tmp_path / "no_top.weights.h5"
    published.save_weights(path)
    backbone = build_backbone(spec)
    load_weights(backbone, spec, str(path))
    image = rng.integers(0, 256, (2, 96, 96, 3)).astype(np.float32)
    image[1] = image[1] / 8 + np.arange(96)[:, None] * 2
    outputs = backbone(image, training=False)
    embedding = (outputs[-1] if isinstance(outputs, list) else outputs).numpy()
    expected = published(image / 127.5 - 1, training=False).numpy()
    assert np.abs(embedding[0] - embedding[1]).mean() > 0.02  # neither dead nor saturated
    np.testing.assert_allclose(embedding, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"name": "resnet"}, "network 'resnet' is not one of mobilenet_v1, mobilenet_v2"),
        ({"width": 0.3}, "width 0.3 of mobilenet_v1 is not one of 0.25, 0.5, 0.75, 1.0"),
        ({"resolution": 100}, "resolution 100 of mobilenet_v1 is not one of 96, 128, 160, 192, 224"),
    ],
)
def test_a_network_outside_the_grid_is_refused(spec: dict[str, object], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        NetworkSpec(**spec)  # type: ignore[arg-type]


def test_without_internet_the_download_error_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A proxy nobody listens on is a real "no internet", wherever the test runs.
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path), raising=False)
    spec = NetworkSpec("mobilenet_v1", 0.25, 224)
    backbone = build_backbone(spec)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(TrainingError, match=r"--weights imagenet: .*or name a file"):
        load_weights(backbone, spec, "imagenet")
