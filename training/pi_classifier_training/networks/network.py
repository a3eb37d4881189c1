"""A network that is trained: a backbone, fed raw pixels, with a head for some labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.backbone import (
    as_list,
    block_count,
    build_backbone,
    layers_before_block,
    weights_id,
)
from pi_classifier_training.networks.published import load_weights
from pi_classifier_training.networks.spec import NETWORKS, NetworkSpec, network_spec

if TYPE_CHECKING:
    import keras

__all__ = [
    "NETWORKS",
    "Network",
    "NetworkSpec",
    "Outputs",
    "as_list",
    "build_backbone",
    "build_head",
    "load_weights",
    "network_spec",
    "weights_id",
]

DROPOUT = 0.2

# Hints (feature maps), embedding and logits of a batch.
Outputs = tuple[list[Any], Any, Any]


def build_head(channels: int, labels: Sequence[str], name: str = "head") -> keras.Model:
    """Build the classification head: embedding ``[batch, channels]`` to logits."""
    import keras

    embedding = keras.Input((channels,), name="embedding")
    x = keras.layers.Dropout(DROPOUT)(embedding)
    logits = keras.layers.Dense(len(labels), name="logits")(x)
    return keras.Model(embedding, logits, name=name)


class Network:
    """A backbone of open input size with a head: what training changes."""

    def __init__(self, spec: NetworkSpec, labels: Sequence[str]) -> None:
        self.spec = spec
        self.labels = tuple(labels)
        self.backbone = build_backbone(spec)
        self.head = build_head(int(self.backbone.outputs[-1].shape[-1]), labels)

    def __call__(self, images: Any, training: bool) -> Outputs:
        """Hints, embedding and logits of a batch of raw images."""
        *hints, embedding = as_list(self.backbone(images, training=training))
        return hints, embedding, self.head(embedding, training=training)

    @property
    def variables(self) -> list[Any]:
        """What training may change: all but what `freeze_below` has frozen."""
        return [*self.backbone.trainable_variables, *self.head.trainable_variables]

    def freeze_below(self, last_blocks: int | None) -> None:
        """Let only the last blocks, what lies behind them, and the head be trained.

        Blocks are MobileNet v1's depthwise-separable ones, v2's and v3's inverted
        residuals, EfficientNet's MBConvs, Inception's mixes. 0 trains only the head;
        None trains everything again. Batch norms of frozen layers keep their statistics,
        also in training. To be called before a training step is compiled. Raises
        TrainingError where there are fewer blocks.
        """
        count = block_count(self.backbone)
        if last_blocks is not None and not 0 <= last_blocks <= count:
            raise TrainingError(
                f"the last {last_blocks} blocks cannot be trained: {self.spec.name} has {count}; "
                f"give a number from 0 to {count}"
            )
        for layer in self.backbone.layers:
            layer.trainable = last_blocks != 0
        if last_blocks:
            for layer in layers_before_block(self.backbone, count - last_blocks + 1):
                # Keras runs a batch norm that cannot be trained as at inference.
                layer.trainable = False

    def get_weights(self) -> list[NDArray[Any]]:
        """All weights, the backbone's first."""
        return [*self.backbone.get_weights(), *self.head.get_weights()]

    def set_weights(self, weights: Sequence[NDArray[Any]]) -> None:
        """Take over what `get_weights` gave."""
        count = len(self.backbone.weights)
        self.backbone.set_weights(weights[:count])
        self.head.set_weights(weights[count:])

    def take_weights(self, other: Network) -> None:
        """Take over all weights of another network of the same family and width.

        They fit any resolution. Raises TrainingError when the networks differ.
        """
        if (other.spec.name, other.spec.width) != (self.spec.name, self.spec.width):
            raise TrainingError(
                f"the earlier run trained {other.spec}, this one is to train {self.spec}; "
                "give the same --network and --width"
            )
        self.set_weights(other.get_weights())

    @property
    def name(self) -> str:
        """The family's name."""
        return self.spec.name

    @property
    def side(self) -> int:
        """The side of the square pictures that `inference_model` takes."""
        return self.spec.resolution

    def scoring(self) -> Callable[[Any], Any]:
        """`inference_model` as a function from raw pixels to scores."""
        model = self.inference_model()
        return lambda images: model(images, training=False)

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
