"""MobileNet v1, v2 and v3, as their papers and published weights have them.

Each builder takes the normalized image and the width multiplier, and returns the hint
feature maps and the last feature map. Layers of block *n* are named ``block<n>_…``.
"""

from __future__ import annotations

from typing import Any

from pi_classifier_training.networks.layers import (
    Activation,
    convolution,
    depthwise,
    divisible,
    hard_sigmoid,
    hard_swish,
    relu,
    relu6,
    residual,
    squeeze_excite,
)

# Hints and features.
Built = tuple[list[Any], Any]

# v1 (Howard et al. 2017, table 1): filters and stride of each depthwise-separable
# block behind the first convolution of 32 filters.
_V1_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
# Blocks whose output a student imitates: the last at strides 8, 16 and 32.
_V1_HINTS = (5, 11, 13)

# v2 (Sandler et al. 2018, table 2): expansion, filters and stride of each block.
_V2_BLOCKS = (
    (1, 16, 1), (6, 24, 2), (6, 24, 1), (6, 32, 2), (6, 32, 1), (6, 32, 1), (6, 64, 2),
    (6, 64, 1), (6, 64, 1), (6, 64, 1), (6, 96, 1), (6, 96, 1), (6, 96, 1), (6, 160, 2),
    (6, 160, 1), (6, 160, 1), (6, 320, 1),
)  # fmt: skip
_V2_HINTS = (6, 13, 17)

# v3 (Howard et al. 2019, tables 1 and 2): expansion, filters, kernel, stride, whether
# there is squeeze-and-excite, activation. The expansions are Keras', with whose
# weights channels must agree.
_V3Block = tuple[float, int, int, int, bool, Activation]
_V3_SMALL: tuple[_V3Block, ...] = (
    (1, 16, 3, 2, True, relu),
    (72 / 16, 24, 3, 2, False, relu), (88 / 24, 24, 3, 1, False, relu),
    (4, 40, 5, 2, True, hard_swish),
    (6, 40, 5, 1, True, hard_swish), (6, 40, 5, 1, True, hard_swish),
    (3, 48, 5, 1, True, hard_swish), (3, 48, 5, 1, True, hard_swish),
    (6, 96, 5, 2, True, hard_swish), (6, 96, 5, 1, True, hard_swish),
    (6, 96, 5, 1, True, hard_swish),
)  # fmt: skip
_V3_SMALL_HINTS = (3, 8, 11)
_V3_LARGE: tuple[_V3Block, ...] = (
    (1, 16, 3, 1, False, relu),
    (4, 24, 3, 2, False, relu), (3, 24, 3, 1, False, relu),
    (3, 40, 5, 2, True, relu), (3, 40, 5, 1, True, relu), (3, 40, 5, 1, True, relu),
    (6, 80, 3, 2, False, hard_swish), (2.5, 80, 3, 1, False, hard_swish),
    (2.3, 80, 3, 1, False, hard_swish), (2.3, 80, 3, 1, False, hard_swish),
    (6, 112, 3, 1, True, hard_swish), (6, 112, 3, 1, True, hard_swish),
    (6, 160, 5, 2, True, hard_swish), (6, 160, 5, 1, True, hard_swish),
    (6, 160, 5, 1, True, hard_swish),
)  # fmt: skip
_V3_LARGE_HINTS = (6, 12, 15)


def mobilenet_v1(x: Any, width: float) -> Built:
    """Depthwise-separable blocks, one behind the other."""
    hints = []
    x = convolution(x, int(32 * width), 3, 2, name="conv1", activation=relu6)
    for number, (filters, stride) in enumerate(_V1_BLOCKS, start=1):
        name = f"block{number}"
        x = depthwise(x, 3, stride, name=name, activation=relu6)
        x = convolution(x, int(filters * width), name=f"{name}_pointwise", activation=relu6)
        if number in _V1_HINTS:
            hints.append(x)
    return hints, x


def mobilenet_v2(x: Any, width: float) -> Built:
    """Inverted residuals: wide inside, narrow between."""
    hints = []
    x = convolution(x, divisible(32 * width), 3, 2, name="conv1", activation=relu6)
    for number, (expansion, filters, stride) in enumerate(_V2_BLOCKS, start=1):
        name, before = f"block{number}", x
        channels = int(x.shape[-1])
        if expansion > 1:
            x = convolution(x, expansion * channels, name=f"{name}_expand", activation=relu6)
        x = depthwise(x, 3, stride, name=name, activation=relu6)
        x = convolution(x, divisible(int(filters * width)), name=f"{name}_project")
        if stride == 1 and channels == x.shape[-1]:
            x = residual(x, before, name=name)
        if number in _V2_HINTS:
            hints.append(x)
    last = divisible(1280 * max(1.0, width))
    return hints, convolution(x, last, name="top", activation=relu6)


def mobilenet_v3_small(x: Any, width: float) -> Built:
    """The smaller of the two found by search."""
    return _mobilenet_v3(x, width, _V3_SMALL, _V3_SMALL_HINTS)


def mobilenet_v3_large(x: Any, width: float) -> Built:
    """The larger of the two found by search."""
    return _mobilenet_v3(x, width, _V3_LARGE, _V3_LARGE_HINTS)


def _mobilenet_v3(
    x: Any, width: float, blocks: tuple[_V3Block, ...], hinted: tuple[int, ...]
) -> Built:
    hints = []
    x = convolution(x, 16, 3, 2, name="conv1", activation=hard_swish)
    for number, block in enumerate(blocks, start=1):
        x = _v3_block(x, width, block, f"block{number}", expand=number > 1)
        if number in hinted:
            hints.append(x)
    last = divisible(6 * int(x.shape[-1]))
    return hints, convolution(x, last, name="top", activation=hard_swish)


def _v3_block(x: Any, width: float, block: _V3Block, name: str, *, expand: bool) -> Any:
    expansion, filters, kernel, stride, gated, activation = block
    before, channels = x, int(x.shape[-1])
    inside = divisible(channels * expansion)
    if expand:
        x = convolution(x, inside, name=f"{name}_expand", activation=activation)
    x = depthwise(x, kernel, stride, name=name, activation=activation)
    if gated:
        x = squeeze_excite(
            x, divisible(inside * 0.25), name=name, activation=relu, gate=hard_sigmoid
        )
    x = convolution(x, divisible(filters * width), name=f"{name}_project")
    if stride == 1 and channels == x.shape[-1]:
        x = residual(x, before, name=name)
    return x
