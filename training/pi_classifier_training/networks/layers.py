"""What the builders have in common: convolutions with their norm, activations, gates.

Keras orders the weights of a network by its layers, and published weights are loaded
by that order: what is added here or left out must hold no weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# An activation adds its layers, named after the given name, to a Keras tensor.
Activation = Callable[[Any, str], Any]


def relu(x: Any, name: str) -> Any:
    """Nothing below 0."""
    from keras import layers

    return layers.ReLU(name=f"{name}_relu")(x)


def relu6(x: Any, name: str) -> Any:
    """Nothing below 0 or above 6: what survives quantization best."""
    from keras import layers

    return layers.ReLU(6.0, name=f"{name}_relu6")(x)


def swish(x: Any, name: str) -> Any:
    """``x · sigmoid(x)`` (Ramachandran et al. 2017)."""
    from keras import layers

    return layers.Activation("swish", name=f"{name}_swish")(x)


def hard_sigmoid(x: Any, name: str) -> Any:
    """``relu6(x + 3) / 6`` (Howard et al. 2019)."""
    from keras import layers

    return layers.ReLU(6.0, name=f"{name}_relu6")(x + 3.0) * (1.0 / 6.0)


def hard_swish(x: Any, name: str) -> Any:
    """``x · relu6(x + 3) / 6``, written so that TFLite makes one HARD_SWISH of it."""
    return x * hard_sigmoid(x, name)


def convolution(
    x: Any,
    filters: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    *,
    name: str,
    activation: Activation | None = None,
    padding: str = "same",
    scaled: bool = True,
) -> Any:
    """A convolution without bias, its batch norm and perhaps an activation.

    "same" padding equals the explicit padding of published weights wherever the
    input's side is even, as it is in the whole grid, and costs no PAD operation.
    Without `scaled` the norm learns no factor.
    """
    from keras import layers

    x = layers.Conv2D(
        filters, kernel, stride, padding=padding, use_bias=False, name=f"{name}_convolution"
    )(x)
    return _normalized(x, name, activation, scaled=scaled)


def depthwise(
    x: Any, kernel: int, stride: int, *, name: str, activation: Activation | None
) -> Any:
    """A depthwise convolution without bias, its batch norm and perhaps an activation."""
    from keras import layers

    x = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    return _normalized(x, f"{name}_depthwise", activation)


def _normalized(x: Any, name: str, activation: Activation | None, *, scaled: bool = True) -> Any:
    from keras import layers

    # Keras' default epsilon, 0.001, is that of all published weights.
    x = layers.BatchNormalization(scale=scaled, name=f"{name}_norm")(x)
    return x if activation is None else activation(x, name)


def squeeze_excite(
    x: Any, units: int, *, name: str, activation: Activation, gate: Activation
) -> Any:
    """Weigh the channels by what all of the image says (Hu et al. 2018)."""
    from keras import layers

    channels = int(x.shape[-1])
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    y = layers.Conv2D(units, 1, name=f"{name}_squeeze_convolution")(y)
    y = layers.Conv2D(channels, 1, name=f"{name}_excite_convolution")(
        activation(y, f"{name}_squeeze")
    )
    return layers.Multiply(name=f"{name}_excite")([x, gate(y, f"{name}_excite")])


def sigmoid(x: Any, name: str) -> Any:
    """The logistic function, as a gate."""
    from keras import layers

    return layers.Activation("sigmoid", name=f"{name}_sigmoid")(x)


def residual(x: Any, before: Any, *, name: str, drop: float = 0.0) -> Any:
    """Add what came in; in training leave out the whole branch at rate `drop`.

    Stochastic depth (Huang et al. 2016); at inference it is gone.
    """
    from keras import layers

    if drop > 0:
        x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    return layers.Add(name=f"{name}_add")([x, before])


def divisible(channels: float, by: int = 8) -> int:
    """Round to a multiple of 8, but not down by more than 10 % (Sandler et al. 2018)."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded
