"""EfficientNet-Lite0 and EfficientNetV2-B0, as their published weights have them.

Each builder takes the normalized image and the width multiplier, and returns the hint
feature maps and the last feature map. Layers of block *n* are named ``block<n>_…``.
"""

from __future__ import annotations

from typing import Any

from pi_classifier_training.networks.layers import (
    Activation,
    convolution,
    depthwise,
    relu6,
    residual,
    sigmoid,
    squeeze_excite,
    swish,
)
from pi_classifier_training.networks.mobilenet import Built

# The rate of stochastic depth at the last block; it grows evenly from 0 at the first.
_LARGEST_DROP = 0.2

# Lite0 (EfficientNet-B0 of Tan and Le 2019, table 1, without squeeze-and-excite and with
# ReLU6): repeats, expansion, filters, kernel and first stride of each stage.
_LITE0_STAGES = (
    (1, 1, 16, 3, 1), (2, 6, 24, 3, 2), (2, 6, 40, 5, 2), (3, 6, 80, 3, 2),
    (3, 6, 112, 5, 1), (4, 6, 192, 5, 2), (1, 6, 320, 3, 1),
)  # fmt: skip
# Blocks whose output a student imitates: the last at strides 8, 16 and 32.
_LITE0_HINTS = (5, 11, 16)

# V2-B0 (Tan and Le 2021): repeats, expansion, filters, first stride of each stage, and
# whether its blocks are fused: one full convolution for expansion and depthwise.
_V2_STAGES = (
    (1, 1, 16, 1, True), (2, 4, 32, 2, True), (2, 4, 48, 2, True),
    (3, 4, 96, 2, False), (5, 6, 112, 1, False), (8, 6, 192, 2, False),
)  # fmt: skip
_V2_HINTS = (5, 13, 21)


def efficientnet_lite0(x: Any, _width: float) -> Built:
    """Plain inverted residuals: made for quantization and for processors without SIMD gates."""
    blocks = [
        (expansion, filters, kernel, stride if first else 1)
        for repeats, expansion, filters, kernel, stride in _LITE0_STAGES
        for first in _first_of(repeats)
    ]
    hints = []
    x = convolution(x, 32, 3, 2, name="conv1", activation=relu6)
    for number, (expansion, filters, kernel, stride) in enumerate(blocks, start=1):
        name, before = f"block{number}", x
        x = _expanded(x, expansion, name, relu6)
        x = depthwise(x, kernel, stride, name=name, activation=relu6)
        x = convolution(x, filters, name=f"{name}_project")
        x = _joined(x, before, stride, name, (number - 1) / len(blocks))
        if number in _LITE0_HINTS:
            hints.append(x)
    return hints, convolution(x, 1280, name="top", activation=relu6)


def efficientnet_v2_b0(x: Any, _width: float) -> Built:
    """Fused blocks at the fine strides, squeeze-and-excite at the coarse ones."""
    blocks = [
        (expansion, filters, stride if first else 1, fused)
        for repeats, expansion, filters, stride, fused in _V2_STAGES
        for first in _first_of(repeats)
    ]
    hints = []
    x = convolution(x, 32, 3, 2, name="conv1", activation=swish)
    for number, (expansion, filters, stride, fused) in enumerate(blocks, start=1):
        name, before = f"block{number}", x
        block = _fused if fused else _gated
        x = block(x, expansion, filters, stride, name)
        x = _joined(x, before, stride, name, (number - 1) / len(blocks))
        if number in _V2_HINTS:
            hints.append(x)
    return hints, convolution(x, 1280, name="top", activation=swish)


def _first_of(repeats: int) -> list[bool]:
    return [True] + [False] * (repeats - 1)


def _expanded(
    x: Any, expansion: int, name: str, activation: Activation, kernel: int = 1, stride: int = 1
) -> Any:
    if expansion == 1:
        return x
    inside = int(x.shape[-1]) * expansion
    return convolution(x, inside, kernel, stride, name=f"{name}_expand", activation=activation)


def _fused(x: Any, expansion: int, filters: int, stride: int, name: str) -> Any:
    if expansion == 1:
        return convolution(x, filters, 3, stride, name=f"{name}_project", activation=swish)
    x = _expanded(x, expansion, name, swish, 3, stride)
    return convolution(x, filters, name=f"{name}_project")


def _gated(x: Any, expansion: int, filters: int, stride: int, name: str) -> Any:
    channels = int(x.shape[-1])
    x = _expanded(x, expansion, name, swish)
    x = depthwise(x, 3, stride, name=name, activation=swish)
    # A quarter of what came in, not of what is inside.
    x = squeeze_excite(x, max(1, channels // 4), name=name, activation=swish, gate=sigmoid)
    return convolution(x, filters, name=f"{name}_project")


def _joined(x: Any, before: Any, stride: int, name: str, share: float) -> Any:
    if stride != 1 or before.shape[-1] != x.shape[-1]:
        return x
    return residual(x, before, name=name, drop=_LARGEST_DROP * share)
