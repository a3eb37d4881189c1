"""A tiny data set of drawn shapes, and one real training run on it, shared by the tests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from pi_classifier_training.retraining.run_folder import RunFolder

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Ray, which reads this when it is imported: the ports of a cluster are open to the network, and
# only who knows the token may use them.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

COLORS = {"cyan": (0, 230, 230), "magenta": (230, 0, 230), "yellow": (230, 230, 0)}
# 144 of all are for training: batches of 16 or 48 come out even. TensorFlow traces a training
# step anew, for many seconds, for a last batch of another size.
PER_LABEL = 60
PHOTOS = PER_LABEL * len(COLORS)


def draw_photos(folder: Path, seed: int = 1) -> Path:
    """Discs of three colors on gray noise: easy, but not to be told from one pixel."""
    rng = np.random.default_rng(seed)
    for label, color in COLORS.items():
        (folder / label).mkdir(parents=True)
        for i in range(PER_LABEL):
            noise = rng.integers(60, 160, (48, 64, 3), np.uint8)
            image = Image.fromarray(noise)
            x, y, r = (int(rng.integers(*ends)) for ends in ((26, 38), (20, 28), (18, 24)))
            ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=color)
            image.save(folder / label / f"{label}{i:03}.png")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the programs cache out of the user's own cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("CACHE_DIRECTORY", raising=False)
        yield


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_photos(tmp_path_factory.mktemp("data") / "discs")


@pytest.fixture(scope="session")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of ``retrain`` from scratch on the discs, by the real command."""
    from pi_classifier_training.cli import main

    out = tmp_path_factory.mktemp("run") / "discs"
    options = ["--weights", "none", "--resolution", "96", "--epochs", "14", "--batch", "16"]
    assert main(["retrain", "--image-dir", str(photos), "--output-dir", str(out), *options]) == 0
    return out


def retrained(*arguments: str) -> RunFolder:
    """What ``retrain`` leaves before files and a report are made, which is the same for all."""
    from pi_classifier_training.cli import parser
    from pi_classifier_training.commands.retrain import choices_of
    from pi_classifier_training.retraining.retrain import retrain
    from pi_classifier_training.retraining.run_folder import RunFolder

    options = parser().parse_args(arguments)
    retrain(options.image_dir, options.output_dir, choices_of(options))
    return RunFolder(options.output_dir)


def published_of(run: Path) -> Any:
    """The Keras model of a run without its head, as published ones are."""
    from pi_classifier_training.networks.published import published_network
    from pi_classifier_training.retraining.run_folder import RunFolder

    network = RunFolder(run).load()
    published = published_network(network.spec, None)
    published.set_weights(network.backbone.get_weights())
    return published


@pytest.fixture(scope="session")
def weights(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights without a head."""
    path = tmp_path_factory.mktemp("weights") / "discs.weights.h5"
    published_of(run).save_weights(path)
    return path


@pytest.fixture(scope="session")
def weights_dir(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights under the name, and in the form, in which Keras publishes MobileNet v1 0.25."""
    import h5py

    folder = tmp_path_factory.mktemp("published")
    published = published_of(run)
    with h5py.File(folder / "mobilenet_2_5_224_tf_no_top.h5", "w") as file:
        layers = [layer for layer in published.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [f"{i}" for i in range(len(layer.weights))]
            for i, weight in enumerate(layer.weights):
                group[f"{i}"] = weight.numpy()
    return folder
