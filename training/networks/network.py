"""The networks: built in Keras, fed raw pixels, normalised inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import TrainingError

if TYPE_CHECKING:
    import keras

NETWORKS = ("mobilenet_v1", "mobilenet_v2")
WIDTHS = {
    "mobilenet_v1": (0.25, 0.5, 0.75, 1.0),
    "mobilenet_v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
}
RESOLUTIONS = (96, 128, 160, 192, 224)
DROPOUT = 0.2

# Hints (feature maps), embedding and logits of a batch.
Taught = tuple[list[Any], Any, Any]

# MobileNet v1 (Howard et al. 2017, table 1): filters and stride of each
# depthwise-separable block behind the first convolution of 32 filters.
_V1_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
# Blocks whose output a student imitates: the last of each size of feature map.
_V1_HINTS = (5, 11, 13)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Which network: its family, width multiplier and input side in pixels."""

    name: str = "mobilenet_v1"
    width: float = 0.25
    resolution: int = 128

    def __post_init__(self) -> None:
        if self.name not in NETWORKS:
            raise TrainingError(f"network {self.name!r} is not one of {', '.join(NETWORKS)}")
        if self.width not in WIDTHS[self.name]:
            allowed = ", ".join(map(str, WIDTHS[self.name]))
            raise TrainingError(f"width {self.width} of {self.name} is not one of {allowed}")
        if self.resolution not in RESOLUTIONS:
            allowed = ", ".join(map(str, RESOLUTIONS))
            raise TrainingError(f"resolution {self.resolution} is not one of {allowed}")

    def as_dict(self) -> dict[str, Any]:
        """The specification as it stands in a model file."""
        return asdict(self)


def build_backbone(spec: NetworkSpec, resolution: int | None = None) -> keras.Model:
    """Build the network without its head: raw RGB 0–255 in, embedding out.

    The outputs are the hint feature maps (possibly none) and, last, the embedding
    ``[batch, channels]``. `resolution` None leaves the input size open.
    """
    import keras

    image = keras.Input((resolution, resolution, 3), name="image")
    # Both families were published for inputs from -1 to 1.
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="normalise")(image)
    hints: list[Any] = []
    if spec.name == "mobilenet_v1":
        x = _convolution(x, int(32 * spec.width), 3, 2, "conv1")
        for number, (filters, stride) in enumerate(_V1_BLOCKS, start=1):
            x = _separable(x, int(filters * spec.width), stride, f"block{number}")
            if number in _V1_HINTS:
                hints.append(x)
    else:
        x = keras.applications.MobileNetV2(
            input_tensor=x, alpha=spec.width, include_top=False, weights=None
        ).output
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(image, [*hints, embedding], name=spec.name)


def _convolution(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    from keras import layers

    # "same" padding equals the explicit padding of the published weights wherever the
    # input's side is even, as it is in the whole grid, and costs no PAD operation.
    x = layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_convolution"
    )(x)
    return _normalised(x, name)


def _separable(x: Any, filters: int, stride: int, name: str) -> Any:
    from keras import layers

    x = layers.DepthwiseConv2D(
        3, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = _normalised(x, f"{name}_depthwise")
    return _convolution(x, filters, 1, 1, f"{name}_pointwise")


def _normalised(x: Any, name: str) -> Any:
    from keras import layers

    # Keras' published MobileNets use these two constants' defaults for v1.
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)


def build_head(channels: int, labels: Sequence[str], name: str = "head") -> keras.Model:
    """Build the classification head: embedding ``[batch, channels]`` to logits."""
    import keras

    embedding = keras.Input((channels,), name="embedding")
    x = keras.layers.Dropout(DROPOUT)(embedding)
    logits = keras.layers.Dense(len(labels), name="logits")(x)
    return keras.Model(embedding, logits, name=name)


def as_list(outputs: Any) -> list[Any]:
    """The outputs of a Keras model as a list, also where there is only one."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


class Network:
    """A backbone of open input size with a head: what training changes."""

    def __init__(self, spec: NetworkSpec, labels: Sequence[str]) -> None:
        self.spec = spec
        self.labels = tuple(labels)
        self.backbone = build_backbone(spec)
        self.head = build_head(int(self.backbone.outputs[-1].shape[-1]), labels)

    def __call__(self, images: Any, training: bool) -> Taught:
        """Hints, embedding and logits of a batch of raw images."""
        *hints, embedding = as_list(self.backbone(images, training=training))
        return hints, embedding, self.head(embedding, training=training)

    @property
    def variables(self) -> list[Any]:
        return [*self.backbone.trainable_variables, *self.head.trainable_variables]

    def take_weights(self, other: Network) -> None:
        """Take over all weights of another network of the same specification.

        Raises TrainingError when the networks differ.
        """
        if other.spec != self.spec:
            raise TrainingError(
                f"the earlier run trained {other.spec}, this one is to train {self.spec}; "
                "give the same --network, --width and --resolution"
            )
        self.backbone.set_weights(other.backbone.get_weights())
        self.head.set_weights(other.head.get_weights())

    def inference_model(self) -> keras.Model:
        """The same network with a fixed input size and scores as output."""
        import keras

        side = self.spec.resolution
        backbone = build_backbone(self.spec, side)
        backbone.set_weights(self.backbone.get_weights())
        embedding = as_list(backbone.outputs)[-1]
        logits = self.head(embedding)
        scores = keras.layers.Softmax(name="scores")(logits)
        return keras.Model(backbone.input, scores, name=self.spec.name)


def load_weights(backbone: keras.Model, spec: NetworkSpec, weights: str) -> None:
    """Fill the backbone with published weights: ``imagenet`` or a no-top .h5 file.

    Raises TrainingError when they cannot be fetched or do not fit.
    """
    import keras

    source = {"mobilenet_v1": keras.applications.MobileNet}.get(
        spec.name, keras.applications.MobileNetV2
    )
    shape = (spec.resolution, spec.resolution, 3)
    path = None if weights == "imagenet" else Path(weights)
    if path is not None and not path.is_file():
        raise TrainingError(
            f"--weights {weights}: no such file; it takes 'imagenet', 'none' or a Keras .h5 file "
            "without the top layers"
        )
    try:
        published = source(
            input_shape=shape,
            alpha=spec.width,
            include_top=False,
            weights="imagenet" if path is None else None,
        )
        if path is not None:
            published.load_weights(path)
        backbone.set_weights(published.get_weights())
    except Exception as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        hint = (
            "downloading them needs the internet; or name a file: --weights FILE"
            if path is None
            else f"the file must hold {spec.name} of width {spec.width} without the top layers"
        )
        raise TrainingError(f"--weights {weights}: {first_line}; {hint}") from error
