"""Weights published for ImageNet: loaded by name, or from a file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.backbone import build_backbone
from pi_classifier_training.networks.hdf5 import opened_hdf5
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.progress import working

if TYPE_CHECKING:
    import keras

# Name and options in keras.applications. Normalization is ours, so theirs is left out.
_WITHOUT = {"include_preprocessing": False}
_IN_KERAS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "mobilenet_v1": ("MobileNet", {}),
    "mobilenet_v2": ("MobileNetV2", {}),
    "mobilenet_v3_small": ("MobileNetV3Small", _WITHOUT),
    "mobilenet_v3_large": ("MobileNetV3Large", _WITHOUT),
    "efficientnet_v2_b0": ("EfficientNetV2B0", _WITHOUT),
    "inception_v3": ("InceptionV3", {}),
}

# Keras has no EfficientNet-Lite. These are the authors' weights in Keras' format, without
# the top layers, in the order of their graph.
_LITE0_URL = (
    "https://github.com/sebastian-sz/efficientnet-lite-keras/releases/download/v1.0/"
    "efficientnet_lite_b0_notop.h5"
)
_LITE0_MD5 = "d7a91a3c0e7f0bdffe67f599ebe511cd"


# The names of the files without top layers; {side} is what they were trained at.
_FILES: Mapping[str, str] = {
    "mobilenet_v1": "mobilenet_{alpha}_{side}_tf_no_top.h5",
    "mobilenet_v2": ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{side}_no_top.h5"),
    "mobilenet_v3_small": "weights_mobilenet_v3_small_224_{width}_float_no_top_v2.h5",
    "mobilenet_v3_large": "weights_mobilenet_v3_large_224_{width}_float_no_top_v2.h5",
    "efficientnet_lite0": "efficientnet_lite_b0_notop.h5",
    "efficientnet_v2_b0": "efficientnetv2-b0_notop.h5",
    "inception_v3": "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
}


def weight_files(spec: NetworkSpec) -> list[str]:
    """The names under which weights for a network are published, the best fitting first.

    MobileNet v1 and v2 have a file for each resolution; any of them fits every other.
    """
    digits = f"{spec.width:.2f}".replace(".", "").lstrip("0")
    alpha = f"{digits[0]}_{digits[1]}"
    sides = [spec.resolution, *reversed(spec.family.resolutions)]
    names = [
        _FILES[spec.name].format(alpha=alpha, width=float(spec.width), side=side) for side in sides
    ]
    return list(dict.fromkeys(names))


def keras_cache() -> Path:
    """The folder in which Keras keeps weights it has downloaded."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"


def fetch_weights(spec: NetworkSpec) -> Path:
    """Download a network's published weights into Keras' cache; return their file.

    Raises TrainingError where they cannot be downloaded.
    """
    import keras

    # Keras' bar and its advice on other sizes are not for whoever sees our own progress.
    keras.utils.disable_interactive_logging()
    try:
        with (
            warnings.catch_warnings(),
            working(f"downloading the weights of {spec.name} {spec.width:g}"),
        ):
            warnings.simplefilter("ignore")
            if spec.name == "efficientnet_lite0":
                return _fetched_lite0()
            published_network(spec, "imagenet")
    except Exception as error:  # of Keras and urllib, for whatever a connection does
        raise TrainingError(f"weights of {spec}: cannot be downloaded ({error})") from error
    finally:
        keras.utils.enable_interactive_logging()
    return next(path for name in weight_files(spec) if (path := keras_cache() / name).is_file())


def load_weights(backbone: keras.Model, spec: NetworkSpec, weights: str) -> None:
    """Fill the backbone with published weights: ``imagenet`` or a no-top .h5 file.

    Raises TrainingError when they cannot be fetched or do not fit.
    """
    path = None if weights == "imagenet" else Path(weights)
    if path is not None and not path.is_file():
        raise TrainingError(
            f"--weights {weights}: no such file; it takes 'imagenet', 'none' or a Keras .h5 file "
            "without the top layers"
        )
    try:
        backbone.set_weights(_published(spec, path).get_weights())
    except Exception as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        hint = (
            "downloading them needs the internet; or name a file (--weights FILE), or train from "
            "scratch (--weights none)"
            if path is None
            else f"the file must hold {spec.name} of width {spec.width} without the top layers"
        )
        raise TrainingError(f"--weights {weights}: {first_line}; {hint}") from error


def _published(spec: NetworkSpec, path: Path | None) -> keras.Model:
    if path is None and spec.name == "efficientnet_lite0":
        path = _fetched_lite0()
    if path is None:
        return published_network(spec, "imagenet")
    with opened_hdf5(path):
        published = published_network(spec, None)
        published.load_weights(path)
    return published


def _fetched_lite0() -> Path:
    import keras

    return Path(
        keras.utils.get_file(
            _LITE0_URL.rpartition("/")[2],
            _LITE0_URL,
            cache_subdir="models",
            file_hash=_LITE0_MD5,
        )
    )


def published_network(spec: NetworkSpec, weights: str | None) -> keras.Model:
    """The network without its top layers that published weights belong to.

    It is Keras' own, fed normalized images, or ours where Keras has none; its weights
    are in the same order as our backbone's. `weights` is ``imagenet`` or None.
    """
    import keras

    if spec.name not in _IN_KERAS:
        return build_backbone(spec)
    name, options = _IN_KERAS[spec.name]
    if "mobilenet" in spec.name:
        options = options | {"alpha": spec.width}
    shape = (spec.resolution, spec.resolution, 3)
    network = getattr(keras.applications, name)
    return network(input_shape=shape, include_top=False, weights=weights, **options)
