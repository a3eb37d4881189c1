"""Weights published for ImageNet: loaded by name, or from a file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.errors import ExportError, TrainingError
from pi_classifier_training.networks.backbone import build_backbone
from pi_classifier_training.networks.hdf5 import opened_hdf5
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.networks.state_dict import read_state_dict
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


# The same weights as PyTorch's users have them; its batch norms and blocks in the order of ours.
_LITE0_TORCH = "efficientnet-lite0-57934424.pth"
_LITE0_FIRST, _LITE0_TOP = "_conv_stem.weight", ("_fc.weight", "_fc.bias")
# What PyTorch calls a batch norm's values, and how it orders a kernel's axes.
_IN_TORCH = {
    "kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_variance": "running_var",
}  # fmt: skip
_OUT_IN_LAST = (2, 3, 1, 0)
_CHANNELS_LAST = (2, 3, 0, 1)

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
    if spec.name == "efficientnet_lite0":
        names.append(_LITE0_TORCH)
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

    EfficientNet-Lite0 takes the authors' weights as a PyTorch file, too (.pth).

    Raises TrainingError when they cannot be fetched or do not fit.
    """
    path = None if weights == "imagenet" else Path(weights)
    if path is not None and not path.is_file():
        raise TrainingError(
            f"--weights {weights}: no such file; it takes 'imagenet', 'none' or a Keras .h5 file "
            "without the top layers (efficientnet_lite0 a .pth file too)"
        )
    try:
        if path is not None and is_torch(path):
            backbone.set_weights(_of_torch(path, spec, backbone))
        else:
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


def is_torch(path: Path) -> bool:
    """Whether a file of weights is PyTorch's, by its name."""
    return path.suffix in (".pth", ".pt")


def _of_torch(path: Path, spec: NetworkSpec, backbone: keras.Model) -> list[NDArray[np.float32]]:
    """The backbone's weights from a PyTorch file, its top layers left out.

    Raises ExportError for any network but EfficientNet-Lite0 as its authors trained it.
    """
    if spec.name != "efficientnet_lite0":
        raise ExportError(
            f"PyTorch's networks pad their pictures otherwise than {spec.name} here, so their "
            "weights would be worth less; only efficientnet_lite0 has a .pth file"
        )
    stored = {n: a for n, a in read_state_dict(path).items() if not n.endswith("_tracked")}
    # The same network trained by others has other names, other pixels and other padding.
    if next(iter(stored)) != _LITE0_FIRST:
        raise ExportError(f"{path.name} begins with {next(iter(stored))[:60]!r}")
    for name in _LITE0_TOP:
        stored.pop(name, None)
    if len(stored) != len(backbone.weights):
        raise ExportError(f"{path.name} holds {len(stored)} arrays, not {len(backbone.weights)}")
    return [
        _as_in_keras(name, array, weight)
        for (name, array), weight in zip(stored.items(), backbone.weights, strict=True)
    ]


def _as_in_keras(name: str, array: NDArray[Any], weight: Any) -> NDArray[np.float32]:
    if array.ndim == 4:
        depthwise = "_depthwise" in name
        array = array.transpose(_CHANNELS_LAST if depthwise else _OUT_IN_LAST)
    if name.rpartition(".")[2] != _IN_TORCH[weight.name] or array.shape != tuple(weight.shape):
        raise ExportError(f"its {name[:60]!r} does not belong to this network")
    return np.ascontiguousarray(array, np.float32)


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
