"""Inception v3 (Szegedy et al. 2016), as its published weights have it.

The builder takes the normalized image and the width multiplier, and returns the last
feature map; mix *n*, counted from 1, is block *n*: its layers are named ``block<n>_…``.
The order in which branches are built is that of the published weights.
"""

from __future__ import annotations

from typing import Any

from pi_classifier_training.networks.layers import convolution, relu
from pi_classifier_training.networks.mobilenet import Built

# A branch is a chain of convolutions: filters, kernel, stride.
_Kernel = tuple[int, int]
_Step = tuple[int, _Kernel, int]
_Branch = tuple[_Step, ...]

_1X1, _3X3, _5X5, _1X7, _7X1 = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)


def _fine(pooled: int) -> tuple[_Branch, ...]:
    """The branches of a mix at stride 8; the last one follows a pooling."""
    return (
        ((64, _1X1, 1),),
        ((48, _1X1, 1), (64, _5X5, 1)),
        ((64, _1X1, 1), (96, _3X3, 1), (96, _3X3, 1)),
        ((pooled, _1X1, 1),),
    )


def _middle(inside: int) -> tuple[_Branch, ...]:
    """The branches of a mix at stride 16, with 7×7 taken apart; the last one is pooled."""
    return (
        ((192, _1X1, 1),),
        ((inside, _1X1, 1), (inside, _1X7, 1), (192, _7X1, 1)),
        (
            (inside, _1X1, 1),
            (inside, _7X1, 1),
            (inside, _1X7, 1),
            (inside, _7X1, 1),
            (192, _1X7, 1),
        ),
        ((192, _1X1, 1),),
    )


_TO_MIDDLE: tuple[_Branch, ...] = (
    ((384, _3X3, 2),),
    ((64, _1X1, 1), (96, _3X3, 1), (96, _3X3, 2)),
)
_TO_COARSE: tuple[_Branch, ...] = (
    ((192, _1X1, 1), (320, _3X3, 2)),
    ((192, _1X1, 1), (192, _1X7, 1), (192, _7X1, 1), (192, _3X3, 2)),
)


def inception_v3(x: Any, _width: float) -> Built:
    """Mixes of parallel branches. Its feature maps have sides of their own: no hints."""
    x = _stem(x)
    for number, pooled in enumerate((32, 64, 64), start=1):
        x = _mix(x, _fine(pooled), f"block{number}")
    x = _reduce(x, _TO_MIDDLE, "block4")
    for number, inside in enumerate((128, 160, 160, 192), start=5):
        x = _mix(x, _middle(inside), f"block{number}")
    x = _reduce(x, _TO_COARSE, "block9")
    for number in (10, 11):
        x = _coarse(x, f"block{number}")
    return [], x


def _stem(x: Any) -> Any:
    from keras import layers

    x = _convolution(x, (32, _3X3, 2), "conv1", "valid")
    x = _convolution(x, (32, _3X3, 1), "conv2", "valid")
    x = _convolution(x, (64, _3X3, 1), "conv3")
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = _convolution(x, (80, _1X1, 1), "conv4", "valid")
    x = _convolution(x, (192, _3X3, 1), "conv5", "valid")
    return layers.MaxPooling2D(3, 2, name="pool2")(x)


def _convolution(x: Any, step: _Step, name: str, padding: str | None = None) -> Any:
    filters, kernel, stride = step
    return convolution(
        x,
        filters,
        kernel,
        stride,
        name=name,
        activation=relu,
        padding=padding or ("same" if stride == 1 else "valid"),
        scaled=False,
    )


def _chain(x: Any, branch: _Branch, name: str) -> Any:
    for number, step in enumerate(branch, start=1):
        x = _convolution(x, step, f"{name}{number}")
    return x


def _mix(x: Any, branches: tuple[_Branch, ...], name: str) -> Any:
    from keras import layers

    *plain, pooled = branches
    ends = [_chain(x, branch, f"{name}_{i}_") for i, branch in enumerate(plain, start=1)]
    average = layers.AveragePooling2D(3, 1, padding="same", name=f"{name}_average")(x)
    ends.append(_chain(average, pooled, f"{name}_pooled_"))
    return layers.Concatenate(name=f"{name}_mix")(ends)


def _reduce(x: Any, branches: tuple[_Branch, ...], name: str) -> Any:
    from keras import layers

    ends = [_chain(x, branch, f"{name}_{i}_") for i, branch in enumerate(branches, start=1)]
    ends.append(layers.MaxPooling2D(3, 2, name=f"{name}_largest")(x))
    return layers.Concatenate(name=f"{name}_mix")(ends)


def _coarse(x: Any, name: str) -> Any:
    """A mix at stride 32, whose 3×3 branches fork into 1×3 and 3×1."""
    from keras import layers

    first = _convolution(x, (320, _1X1, 1), f"{name}_1_1")
    second = _convolution(x, (384, _1X1, 1), f"{name}_2_1")
    second = _fork(second, f"{name}_2")
    third = _chain(x, ((448, _1X1, 1), (384, _3X3, 1)), f"{name}_3_")
    third = _fork(third, f"{name}_3")
    average = layers.AveragePooling2D(3, 1, padding="same", name=f"{name}_average")(x)
    pooled = _convolution(average, (192, _1X1, 1), f"{name}_pooled_1")
    return layers.Concatenate(name=f"{name}_mix")([first, second, third, pooled])


def _fork(x: Any, name: str) -> Any:
    from keras import layers

    ends = [
        _convolution(x, (384, (1, 3), 1), f"{name}_across"),
        _convolution(x, (384, (3, 1), 1), f"{name}_down"),
    ]
    return layers.Concatenate(name=f"{name}_fork")(ends)
