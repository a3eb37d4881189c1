"""A network without its head: raw pixels in, hint feature maps and embedding out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pi_classifier_training.networks.efficientnet import efficientnet_lite0, efficientnet_v2_b0
from pi_classifier_training.networks.inception import inception_v3
from pi_classifier_training.networks.mobilenet import (
    Built,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3_large,
    mobilenet_v3_small,
)
from pi_classifier_training.networks.spec import Family, NetworkSpec

if TYPE_CHECKING:
    import keras

_BUILDERS: Mapping[str, Callable[[Any, float], Built]] = {
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_small": mobilenet_v3_small,
    "mobilenet_v3_large": mobilenet_v3_large,
    "efficientnet_lite0": efficientnet_lite0,
    "efficientnet_v2_b0": efficientnet_v2_b0,
    "inception_v3": inception_v3,
}
# To be raised when a builder changes so that equal weights give another embedding.
_GRAPH_VERSION = 1

_BLOCK_LAYER = re.compile(r"block(\d+)_")


def build_backbone(spec: NetworkSpec, resolution: int | None = None) -> keras.Model:
    """Build the network without its head: raw RGB 0–255 in, embedding out.

    The outputs are the hint feature maps (none or those at strides 8, 16 and 32) and,
    last, the embedding ``[batch, channels]``. `resolution` None leaves the input size
    open.
    """
    import keras

    image = keras.Input((resolution, resolution, 3), name="image")
    scale, offset = _rescaling(spec.family)
    x = keras.layers.Rescaling(scale, offset=offset, name="normalise")(image)
    hints, x = _BUILDERS[spec.name](x, spec.width)
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(image, [*hints, embedding], name=spec.name)


def _rescaling(family: Family) -> tuple[Any, Any]:
    """Factor and offset equal to ``(pixel - mean) / std``: numbers, or one per channel."""
    scale = [1 / s for s in family.std]
    offset = [-m / s for m, s in zip(family.mean, family.std, strict=True)]
    if len(set(scale)) == len(set(offset)) == 1:
        return scale[0], offset[0]
    return scale, offset


def as_list(outputs: Any) -> list[Any]:
    """The outputs of a Keras model as a list, also where there is only one."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def block_count(backbone: keras.Model) -> int:
    """How many blocks a backbone has; its first convolutions and the last are in none."""
    return max(_block_of(layer) for layer in backbone.layers)


def layers_before_block(backbone: keras.Model, block: int) -> list[keras.layers.Layer]:
    """The layers that an image passes before block number `block`, counted from 1."""
    # Keras lists layers in the order in which an image passes; blocks follow each other.
    layers: list[keras.layers.Layer] = backbone.layers
    first = next(i for i, layer in enumerate(layers) if _block_of(layer) == block)
    return layers[:first]


def _block_of(layer: keras.layers.Layer) -> int:
    match = _BLOCK_LAYER.match(layer.name)
    return int(match[1]) if match else 0


def weights_id(spec: NetworkSpec, backbone: keras.Model) -> str:
    """What a backbone computes, as a hexadecimal hash: 32 digits.

    It covers the graph (family, width, normalization) and every weight's value, so
    equal ids mean equal embeddings of equal images. The resolution and the labels play
    no part.
    """
    family = spec.family
    header = (_GRAPH_VERSION, spec.name, spec.width, family.mean, family.std)
    digest = hashlib.sha256(repr(header).encode())
    for weight in backbone.weights:
        values = np.ascontiguousarray(weight.numpy(), np.float32)
        digest.update(repr(values.shape).encode())
        digest.update(values.data)
    return digest.hexdigest()[:32]
