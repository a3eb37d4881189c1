"""The AI Camera: scores come with the frames, through picamera2's own device class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from pi_classifier.cameras import open_camera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraUnavailable, ConfigError, ModelMismatch
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.types import Frame
from tests.emulated_picamera2 import HARDWARE, WHICH, EmulatedSensor

LABELS = ("daisy", "roses", "tulips")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.rpk"
    path.write_bytes(b"a network for the sensor")
    return path


@pytest.fixture
def sensor() -> EmulatedSensor:
    # the sensor's number is in the list, not the first
    _, only = HARDWARE.plug("imx708", "imx500", pace="virtual")
    only.scores = lambda time_s: [0.1, 0.7, 0.2]
    return only


@pytest.fixture(params=[False, True], ids=["scores", "logits"])
def softmax(request: pytest.FixtureRequest) -> Iterator[bool]:
    from emulation.imx500 import install

    undo = install(softmax=request.param)
    yield request.param
    undo()


@pytest.fixture
def labels(tmp_path: Path) -> str:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(LABELS))
    return str(path)


def classifier(labels: str | None) -> ModelSettings:
    return ModelSettings(path="imx500", labels=labels)


def seen(network: Path, count: int) -> list[Frame]:
    settings = CameraSettings(source=f"imx500:{network}", width=64, height=48)
    with closing(open_camera(settings)) as camera:
        return list(islice(camera.frames(), count))


if WHICH == "newest":  # picamera2 0.3.21 has no class for it

    def test_the_sensors_scores_become_predictions(
        network: Path, sensor: EmulatedSensor, softmax: bool, labels: str
    ) -> None:
        frames = seen(network, 3)
        expected = np.array([0.1, 0.7, 0.2])
        if softmax:
            expected = np.exp(expected) / np.exp(expected).sum()
        for frame in frames:
            assert frame.pixels.shape == (48, 64, 3)
            assert frame.scores is not None
            assert frame.scores.dtype == np.float32
            assert frame.scores == pytest.approx(expected)
            assert not frame.scores.flags.writeable
        prediction = open_classifier(classifier(labels)).classify(frames[0])
        names = [category.label for category in prediction.categories]
        assert names == ["roses", "tulips", "daisy"]
        assert prediction.top.index == 1
        assert prediction.top.score == pytest.approx(expected[1])
        assert prediction.model == "imx500"

    @pytest.mark.parametrize("softmax", [False], indirect=True)
    def test_frames_the_network_was_too_slow_for_are_left_out(
        network: Path, sensor: EmulatedSensor, softmax: bool
    ) -> None:
        calls = iter(range(1_000_000))
        scores: Sequence[float] = [0.1, 0.7, 0.2]
        sensor.scores = lambda time_s: scores if next(calls) % 2 else []
        frames = seen(network, 4)
        assert all(frame.scores is not None for frame in frames)
        steps = np.diff([frame.sequence for frame in frames])
        assert (steps[1:] == 2).all()

else:

    def test_an_old_picamera2_cannot_use_it(network: Path, sensor: EmulatedSensor) -> None:
        with pytest.raises(CameraUnavailable, match=r"imx500.*sudo apt install imx500-all"):
            seen(network, 1)


@pytest.mark.parametrize("text", ["", "/nowhere/network.rpk"])
def test_a_network_that_is_not_there(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a network for the sensor, such as imx500:/"):
        open_camera(CameraSettings(source=f"imx500:{text}"))


def test_labels_are_needed_and_must_fit(labels: str) -> None:
    with pytest.raises(ConfigError, match=r"set model\.labels"):
        open_classifier(classifier(None))
    ours = open_classifier(classifier(labels))
    pixels = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ModelMismatch, match="does not classify by itself"):
        ours.classify(Frame(pixels, 0, 0))
    with pytest.raises(ModelMismatch, match="gives 4 scores, and the label file has 3 labels"):
        ours.classify(Frame(pixels, 0, 0, scores=np.zeros(4, np.float32)))
