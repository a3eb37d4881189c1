"""The networks are those the published weights belong to, and freeze as asked."""

from __future__ import annotations

import contextlib
import os
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pi_classifier_training.conversion.conversion import Kind, convert
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.boards import board_cost, network_work
from pi_classifier_training.inspection.estimates import work_of
from pi_classifier_training.modelfile.writer import write_model_file
from pi_classifier_training.networks.backbone import (
    as_list,
    block_count,
    build_backbone,
    layers_before_block,
    weights_id,
)
from pi_classifier_training.networks.network import Network
from pi_classifier_training.networks.published import load_weights
from pi_classifier_training.networks.spec import FAMILIES, NETWORKS, NetworkSpec, network_spec

from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.costs import layers
from pi_classifier.modelfile.model_graph import read_model_graph
from tests import torch_files

SIDE = 96


# Seconds each: built twice and converted. ALL_NETWORKS=1 takes them too.
LARGE = ("mobilenet_v3_large", "efficientnet_v2_b0", "inception_v3")


# Large ones take minutes each; ALL_NETWORKS=1 tests them too.
TESTED_LARGE = LARGE if os.environ.get("ALL_NETWORKS") == "1" else ()
IN_REACH = [name for name in NETWORKS if name not in LARGE or name in TESTED_LARGE]


def alive(model: Any, images: Any, seed: int = 3) -> None:
    """Give every weight a value of its own, and the norms the statistics of `images`.

    Fresh norms let an image fade on its way through a deep network.
    """
    import keras

    rng = np.random.default_rng(seed)
    model.set_weights([w * rng.uniform(0.8, 1.2, w.shape) for w in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)


def pictures(side: int) -> Any:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (2, side, side, 3)).astype(np.float32)
    images[1] = np.floor(images[1] / 8 + np.arange(side)[:, None] * 2 * SIDE / side)
    return images


def original(spec: NetworkSpec) -> tuple[Any, Any]:
    """The network as others publish it, and their own preparation of raw pixels."""
    import keras

    there: Any = keras.applications
    shape = (spec.resolution, spec.resolution, 3)
    options: dict[str, Any] = {"input_shape": shape, "weights": None, "pooling": "avg"}
    options["include_top"] = False
    name, _, size = spec.name.partition("_v3_")
    match name:
        case "mobilenet_v1":
            prepare = there.mobilenet.preprocess_input
            return there.MobileNet(alpha=spec.width, **options), prepare
        case "mobilenet_v2":
            prepare = there.mobilenet_v2.preprocess_input
            return there.MobileNetV2(alpha=spec.width, **options), prepare
        case "mobilenet":
            builder = there.MobileNetV3Small if size == "small" else there.MobileNetV3Large
            return builder(alpha=spec.width, **options), lambda x: x
        case "efficientnet_v2_b0":
            return there.EfficientNetV2B0(**options), lambda x: x
        case "inception_v3":
            return there.InceptionV3(**options), there.inception_v3.preprocess_input
    # Keras' EfficientNet-B0 without gates and with ReLU6; it divides by 255 itself.
    from keras.src.applications import efficientnet

    blocks = [stage | {"se_ratio": 0.0} for stage in efficientnet.DEFAULT_BLOCKS_ARGS]
    lite0 = efficientnet.EfficientNet(
        1.0, 1.0, 224, activation="relu6", blocks_args=blocks, **options
    )
    return lite0, lambda x: (x - 127) / 128 * 255


@pytest.mark.parametrize("name", IN_REACH)
def test_published_weights_give_the_published_embedding(name: str, tmp_path: Path) -> None:
    spec = network_spec(name, resolution=FAMILIES[name].resolutions[0])
    published, prepare = original(spec)
    images = pictures(spec.resolution)
    alive(published, prepare(images.copy()))
    backbone = build_backbone(spec)
    if name != "mobilenet_v3_small":
        path = tmp_path / "no_top.weights.h5"
        published.save_weights(path)
        load_weights(backbone, spec, str(path))
    else:  # what load_weights does, with one network less to build
        backbone.set_weights(published.get_weights())
    embedding = as_list(backbone(images, training=False))[-1].numpy()
    expected = published(prepare(images.copy()), training=False).numpy()
    assert np.abs(embedding[0] - embedding[1]).mean() > 0.02  # neither dead nor saturated
    # Deep networks amplify the rounding of single channels; another order of weights or
    # another normalization would change all of them.
    assert np.abs(embedding - expected).mean() < 1e-3 * np.abs(expected).mean()


BLOCKS = {
    "mobilenet_v1": 13,
    "mobilenet_v2": 17,
    "mobilenet_v3_small": 11,
    "mobilenet_v3_large": 15,
    "efficientnet_lite0": 16,
    "efficientnet_v2_b0": 21,
    "inception_v3": 11,
}


@pytest.mark.parametrize("name", IN_REACH)
def test_blocks_follow_each_other_in_the_order_an_image_passes(name: str) -> None:
    backbone = build_backbone(network_spec(name))
    assert block_count(backbone) == BLOCKS[name]
    before = [len(layers_before_block(backbone, b + 1)) for b in range(BLOCKS[name])]
    assert before == sorted(set(before))
    assert before[0] > 3  # an image, its normalization, a convolution at least
    names = [layer.name for layer in backbone.layers[before[-1] :]]
    assert not [n for n in names if n.startswith("block") and f"block{BLOCKS[name]}_" not in n]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mobilenet_v3_small", "int8"),
        *((name, kind) for name in TESTED_LARGE for kind in ("float32", "int8")),
    ],
)
def test_a_network_runs_in_the_daemon_as_in_training(
    name: str, kind: Kind, tmp_path: Path
) -> None:
    spec = network_spec(name, resolution=FAMILIES[name].resolutions[0])
    network = Network(spec, ["a", "b", "c"])
    side, images = spec.resolution, pictures(spec.resolution)
    alive(network.backbone, images)
    pixels = images.astype(np.uint8)
    photos = Images((), pixels, np.zeros(2, np.int64), np.ones(2, np.float32), ())
    path = tmp_path / f"{name}.tflite"
    data = convert(network, kind, photos)
    manifest = {"schema_version": 1, "name": name, "kind": kind}
    path.write_bytes(write_model_file(data, network.labels, manifest))
    expected = network.inference_model()(images, training=False).numpy()
    with contextlib.closing(open_model(path, ModelSettings(cache_dir=""))) as classifier:
        delivered = np.stack([classifier.raw_scores(p).copy() for p in pixels])
        taken = classifier.model.input
    assert taken.shape == (1, side, side, 3)
    if kind == "int8":
        assert (taken.dtype, taken.scale, taken.zero_point) == ("uint8", 1.0, 0)
    graph = read_model_graph(data)
    foretold = network_work(spec, kind, labels=3)
    # Inception's int8 branches are brought to one scale before they are joined: 14 more steps.
    counted = {"inception_v3": 0.15}.get(name, 1e-9)
    assert astuple(work_of(layers(graph))) == pytest.approx(astuple(foretold), rel=counted)
    assert board_cost(spec, "4", kind, labels=3).kb == pytest.approx(len(data) / 1000, rel=0.03)
    kinds = {operation.kind for operation in graph.operations}
    assert ("HARD_SWISH" in kinds) == ("_v3_" in name)
    assert "PAD" not in kinds
    assert np.abs(expected[0] - expected[1]).max() > 0.02
    # Untrained weights amplify rounding, most in Inception's 94 convolutions.
    allowed = {"float32": 1e-3, "int8": 0.3 if name == "inception_v3" else 0.1}[kind]
    assert np.abs(delivered - expected).max() < allowed


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v3_small"])
def test_hints_of_all_families_lie_over_each_other(name: str) -> None:
    outputs = as_list(build_backbone(network_spec(name, resolution=SIDE), SIDE).outputs)
    assert [hint.shape[1:3] for hint in outputs[:-1]] == [(12, 12), (6, 6), (3, 3)]


def trained_once(network: Network, images: Any) -> list[Any]:
    """Which backbone layers one training step changes, by the name of their block."""
    import tensorflow as tf

    before = {layer.name: layer.get_weights() for layer in network.backbone.layers}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(network(images, training=True)[2] - 1.0))
    for gradient, variable in zip(
        tape.gradient(loss, network.variables), network.variables, strict=True
    ):
        variable.assign_sub(0.01 * gradient)
    return [
        layer.name
        for layer in network.backbone.layers
        if any(
            (old != new).any()
            for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
        )
    ]


@pytest.mark.parametrize(
    ("last_blocks", "kept", "first"),
    [
        (0, None, None),
        (1, "block12_pointwise_norm", "block13_depthwise"),
        (13, "conv1_norm", "block1_depthwise"),
        (None, None, "conv1_convolution"),
    ],
)
def test_only_the_last_blocks_learn(
    last_blocks: int | None, kept: str | None, first: str | None
) -> None:
    network = Network(NetworkSpec(resolution=SIDE), ["a", "b"])
    alive(network.backbone, pictures(SIDE))
    network.freeze_below(last_blocks)
    changed = trained_once(network, pictures(SIDE))
    assert (changed[0] if changed else None) == first
    assert kept not in changed
    assert len(network.variables) == (
        2 if first is None else {None: 83, 1: 8, 13: 80}[last_blocks]
    )


def test_freezing_is_undone_and_changes_no_answer() -> None:
    network = Network(NetworkSpec(resolution=SIDE), ["a", "b"])
    alive(network.backbone, pictures(SIDE))
    scores = network.inference_model()(pictures(SIDE), training=False).numpy()
    everything = len(network.variables)
    network.freeze_below(2)
    frozen = network.inference_model()(pictures(SIDE), training=False).numpy()
    np.testing.assert_array_equal(frozen, scores)
    network.freeze_below(None)
    assert len(network.variables) == everything


@pytest.mark.parametrize("last_blocks", [-1, 14])
def test_more_blocks_than_there_are_cannot_learn(last_blocks: int) -> None:
    network = Network(NetworkSpec(resolution=SIDE), ["a", "b"])
    with pytest.raises(TrainingError, match=r"mobilenet_v1 has 13; give a number from 0 to 13"):
        network.freeze_below(last_blocks)


def test_the_weights_id_is_that_of_what_is_computed() -> None:
    spec = NetworkSpec("mobilenet_v1", 0.25, 96)
    first, second = build_backbone(spec), build_backbone(spec, 128)
    assert weights_id(spec, first) != weights_id(spec, second)  # other random weights
    second.set_weights(first.get_weights())
    assert weights_id(spec, first) == weights_id(NetworkSpec("mobilenet_v1", 0.25, 224), second)
    second.weights[-1].assign_add([1e-6] * 256)
    assert weights_id(spec, first) != weights_id(spec, second)


@given(
    name=st.sampled_from(NETWORKS),
    width=st.sampled_from([0.25, 0.35, 0.5, 0.75, 0.751, 1.0, 1.4]),
    resolution=st.sampled_from([95, 96, 128, 224, 299]),
)
@settings(max_examples=200)
def test_a_network_is_in_its_family_or_refused(name: str, width: float, resolution: int) -> None:
    family = FAMILIES[name]
    if width in family.widths and resolution in family.resolutions:
        assert NetworkSpec(name, width, resolution).family is family
    else:
        with pytest.raises(TrainingError, match=f"of {name} is not"):
            NetworkSpec(name, width, resolution)


def test_what_is_left_out_is_chosen() -> None:
    assert network_spec("mobilenet_v1") == NetworkSpec("mobilenet_v1", 0.25, 224)
    assert network_spec("inception_v3") == NetworkSpec("inception_v3", 1.0, 299)
    assert network_spec("mobilenet_v2", 1.4, 96) == NetworkSpec("mobilenet_v2", 1.4, 96)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"name": "resnet"}, "network 'resnet' is not one of mobilenet_v1, mobilenet_v2"),
        ({"width": 0.3}, "width 0.3 of mobilenet_v1 is not one of 0.25, 0.5, 0.75, 1.0"),
        ({"resolution": 100}, "resolution 100 of mobilenet_v1 is not one of 96, 128, 160, 192"),
        ({"name": "inception_v3", "width": 0.5}, "width 0.5 of inception_v3 is not 1.0"),
    ],
)
def test_a_network_outside_the_grid_is_refused(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        NetworkSpec(**spec)


@pytest.mark.parametrize("name", ["mobilenet_v1", "efficientnet_lite0"])
def test_without_internet_the_download_error_names_the_way_out(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A proxy nobody listens on is a real "no internet", wherever the test runs.
    for variable in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path), raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    spec = network_spec(name, resolution=224)
    with pytest.raises(TrainingError, match=r"--weights imagenet: .*or name a file"):
        load_weights(build_backbone(spec), spec, "imagenet")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    build_backbone(NetworkSpec("mobilenet_v1", 0.5, 96)).save_weights(path)
    spec = NetworkSpec("mobilenet_v1", 0.25, 96)
    with pytest.raises(TrainingError, match=r"the file must hold mobilenet_v1 of width 0\.25"):
        load_weights(build_backbone(spec), spec, str(path))


def lite0_by_torch(weights: list[Any]) -> dict[str, NDArray[Any]]:
    """A backbone's weights as PyTorch's users have EfficientNet-Lite0, top layers included."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, weight in enumerate(weights):
        value, layer = weight.numpy(), weight.path.split("/")[0]
        stem = "_conv_stem" if not number else f"{number}._{layer.split('_')[-1]}_"
        if value.ndim == 4:
            stem += "_depthwise" if "depthwise" in layer else "_project"
            value = value.transpose((2, 3, 0, 1) if "depthwise" in layer else (3, 2, 0, 1))
        kind = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(
            weight.name, weight.name.replace("moving", "running").replace("variance", "var")
        )
        arrays["_conv_stem.weight" if not number else f"{stem}.{kind}"] = value
        if kind == "running_var":
            arrays[f"{stem}.num_batches_tracked"] = np.array(1)
    top = np.zeros((1000, 1280), np.float32)
    return arrays | {"_fc.weight": top, "_fc.bias": np.zeros(1000, np.float32)}


def test_lite0_takes_its_weights_as_pytorch_has_them(tmp_path: Path) -> None:
    spec = NetworkSpec("efficientnet_lite0", 1.0, 96)
    given, backbone, path = build_backbone(spec), build_backbone(spec), tmp_path / "lite0.pth"
    rng = np.random.default_rng(4)
    given.set_weights([rng.normal(size=w.shape) for w in given.get_weights()])
    arrays = lite0_by_torch(given.weights)
    path.write_bytes(torch_files.saved(arrays))
    load_weights(backbone, spec, str(path))
    for weight, expected in zip(backbone.get_weights(), given.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    one, *others = arrays
    narrow = {one: np.zeros((32, 3, 3, 2), np.float32)} | {n: arrays[n] for n in others}
    for wrong, says in (
        ({n: arrays[n] for n in others}, "begins with"),
        ({one: arrays[one]}, "holds 1 arrays, not 245"),
        (narrow, "'_conv_stem.weight' does not belong to this network"),
    ):
        path.write_bytes(torch_files.saved(wrong))
        with pytest.raises(TrainingError, match=rf"{says}.*the file must hold efficientnet_lite0"):
            load_weights(backbone, spec, str(path))


def test_pytorchs_weights_are_for_lite0_alone(tmp_path: Path) -> None:
    path, spec = tmp_path / "mobilenet.pth", NetworkSpec("mobilenet_v1", 0.25, 96)
    path.write_bytes(torch_files.saved({"features.0.weight": np.zeros(3, np.float32)}))
    with pytest.raises(TrainingError, match=r"only efficientnet_lite0 has a \.pth file"):
        load_weights(build_backbone(spec), spec, str(path))
