"""Which Keras layers an imported network may have: those of image classifiers.

A network's description is JSON that names Python classes. Some of Keras' own run code
(Lambda), load another model (TFSMLayer) or read any file (StringLookup), and `module`
and `registered_name` may lead to others. So every name in the description is compared
with these lists before Keras sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pi_classifier_training.errors import ExportError

_MODELS = "Functional Model Sequential"
_LAYERS = """
    InputLayer Activation ActivityRegularization Dense Conv2D Convolution2D Conv2DTranspose
    DepthwiseConv2D SeparableConv2D SeparableConvolution2D BatchNormalization
    BatchNormalizationV1 BatchNormalizationV2 LayerNormalization GroupNormalization
    UnitNormalization Normalization Rescaling Resizing
    CenterCrop MaxPooling2D MaxPool2D AveragePooling2D AvgPool2D GlobalAveragePooling2D
    GlobalAvgPool2D GlobalMaxPooling2D GlobalMaxPool2D Flatten Reshape Permute RepeatVector
    ZeroPadding2D Cropping2D UpSampling2D Identity Dropout SpatialDropout2D AlphaDropout
    GaussianDropout GaussianNoise ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax
    Subtract Multiply Add Average Maximum Minimum Concatenate Dot MultiHeadAttention Attention
    LayerScale
"""
# They do nothing but in training.
_AUGMENTATION = """
    RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness
    RandomCrop RandomHeight RandomWidth
"""
# Arithmetic between layers, as Keras 3 writes it down.
_ARITHMETIC = """
    Divide TrueDivide Negative Power Square Sqrt Absolute Exp Mean Sum Max Min Clip Squeeze
    ExpandDims Transpose Relu Relu6 Sigmoid Tanh Silu HardSigmoid HardSilu Cast GetItem
"""
_PARTS = """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling GlorotNormal
    GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Orthogonal IdentityInitializer
    L1 L2 L1L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm
    DTypePolicy Policy FloatDTypePolicy TensorShape
    __keras_tensor__ __tensor__ __numpy__ __tuple__ __slice__ __ellipsis__
"""
ALLOWED = frozenset(f"{_MODELS} {_LAYERS} {_AUGMENTATION} {_ARITHMETIC} {_PARTS}".split())

_KERAS = re.compile(r"keras(\.\w+)*")
_NAME = re.compile(r"\w+")
_NAMED = ("activation", "initializer", "regularizer", "constraint")
_COMPILED = "compile_config"


def refuse_layers(topology: Mapping[str, Any]) -> None:
    """Raise ExportError where a network's description names a class that is not allowed."""
    for node in _named_classes(topology):
        kind = node["class_name"]
        module, registered = node.get("module"), node.get("registered_name")
        own = module is None or (isinstance(module, str) and _KERAS.fullmatch(module))
        if kind not in ALLOWED or not own or registered not in (None, kind):
            what = _shown(kind) if kind not in ALLOWED else _shown(registered or module)
            raise _refused(f"a layer or part of the kind {what}{_where(node)}")


def without_training(node: Any) -> Any:
    """The description without how the network was compiled for training, at any depth."""
    if isinstance(node, dict):
        return {k: without_training(v) for k, v in node.items() if k != _COMPILED}
    return [without_training(value) for value in node] if isinstance(node, list) else node


def _named_classes(node: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [node]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if not isinstance(value, dict):
            continue
        if "class_name" in value:
            yield value
        for key, inner in value.items():
            _refuse_function(str(key), inner)
            waiting.append(inner)


def _refuse_function(key: str, value: Any) -> None:
    """An activation and the like may be named, but only by a plain name."""
    if key.endswith(_NAMED) and isinstance(value, str) and not _NAME.fullmatch(value):
        raise _refused(f"the {key} {_shown(value)}")


def _where(node: Mapping[str, Any]) -> str:
    config = node.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    return f" (called {_shown(name)})" if isinstance(name, str) else ""


def _shown(value: object) -> str:
    return repr(str(value)[:60])


def _refused(what: str) -> ExportError:
    return ExportError(
        f"has {what}, which is refused: it is none that image classifiers need, and it might run "
        "code or read files here. Export the model as a SavedModel (Keras: model.export) or as "
        "TensorFlow Lite where it was made, and import that"
    )
