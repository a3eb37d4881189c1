"""Which shapes and options of an operator go together, as the kernels rely on it.

Each rule raises `UnsoundGraph` in words that follow the operator's name. A side that is known
only when the model runs (−1), and a shape that the file does not state, fit everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pi_classifier.modelfile import operand_rules
from pi_classifier.modelfile.flatbuffer import Table
from pi_classifier.modelfile.subgraph import (
    Operator,
    Shape,
    Tensor,
    UnsoundGraph,
    agree,
    counted,
    fits,
)

Rule = Callable[[Operator, list[Tensor]], None]

_SAME, _VALID = 0, 1
_SIDE_LIMIT = 1 << 15


def _elements(shape: Shape | None) -> int:
    """How many values; −1 where that is not known. An open batch counts as one picture."""
    if shape is None or min(shape[1:], default=0) < 0:
        return -1
    return abs(math.prod(shape))


def _side(length: int, window: int, stride: int, padding: int) -> int:
    """Return the length of a convolution's result; −1 where it is not known."""
    if length < 0:
        return -1
    covered = length if padding == _SAME else max(0, length - window + 1)
    return -(-covered // stride)


def _window(
    before: Shape, after: Shape | None, window: Shape, strides: Shape, padding: int
) -> None:
    """Check where a window goes over a picture. `window` and `strides` are height and width."""
    if min(*window, *strides) < 1 or max(*window, *strides) > _SIDE_LIMIT:
        raise UnsoundGraph(f"has a window of {list(window)} with the strides {list(strides)}")
    if padding not in (_SAME, _VALID):
        raise UnsoundGraph("has an unknown padding")
    sides = [_side(before[i + 1], window[i], strides[i], padding) for i in (0, 1)]
    if 0 in sides:
        raise UnsoundGraph(f"has a window of {list(window)}, larger than its input {list(before)}")
    if after is not None and not all(map(agree, sides, after[1:3])):
        raise UnsoundGraph(f"makes {sides} of {list(before)}, but its output is {list(after)}")


def _strides(options: Table) -> Shape:
    return options.integer(2, "int32"), options.integer(1, "int32")


def _dilated(kernel: Shape, options: Table, slots: tuple[int, int]) -> Shape:
    factors = [options.integer(slot, "int32", 1) for slot in slots]
    if not all(1 <= factor <= _SIDE_LIMIT for factor in factors):
        raise UnsoundGraph(f"has the dilation {factors}")
    return tuple((side - 1) * factor + 1 for side, factor in zip(kernel, factors, strict=True))


def _bias(operator: Operator, tensors: list[Tensor], place: int, channels: int) -> None:
    """Check the bias, and scales by channel, which the kernels read for every channel."""
    weights = tensors[operator.inputs[1]]
    if len(weights.scales) > 1 and len(weights.scales) != channels:
        raise UnsoundGraph(f"has {len(weights.scales)} scales for {channels} channels")
    if len(operator.inputs) <= place or operator.inputs[place] < 0:
        return
    bias = tensors[operator.inputs[place]]
    if not agree(_elements(bias.shape), channels):
        raise UnsoundGraph(
            f"has a bias of the shape {list(bias.shape or ())} for {channels} channels"
        )
    if len(bias.scales) and len(weights.scales) not in (0, len(bias.scales)):
        raise UnsoundGraph(
            f"has {counted(len(weights.scales), 'scale')} for its weights and "
            f"{len(bias.scales)} for its bias"
        )


def _four(*shapes: Shape | None) -> bool:
    return all(shape is None or len(shape) == 4 for shape in shapes)


def _convolution(operator: Operator, tensors: list[Tensor]) -> None:
    before, kernel = (tensors[i].shape for i in operator.inputs[:2])
    after, options = tensors[operator.outputs[0]].shape, operator.options
    if options is None:
        raise UnsoundGraph("has no options")
    if kernel is None or before is None or min(kernel, default=0) < 0:
        return
    if not _four(before, kernel, after) or min(kernel) < 1:
        raise UnsoundGraph(f"has the input {list(before)} and the weights {list(kernel)}")
    depthwise = operator.code == 4
    channels = kernel[3] if depthwise else kernel[0]
    if after is not None and not agree(after[3], channels):
        raise UnsoundGraph(f"has weights for {channels} channels, but its output is {list(after)}")
    if before[3] >= 0:
        if depthwise:
            multiplier = options.integer(3, "int32")
            if kernel[0] != 1 or before[3] * multiplier != channels:
                raise UnsoundGraph(
                    f"has weights {list(kernel)} that do not fit its input {list(before)} and "
                    f"its multiplier {multiplier}"
                )
        elif before[3] % kernel[3] or channels % max(1, before[3] // kernel[3]):
            raise UnsoundGraph(
                f"has weights {list(kernel)} that do not fit its input {list(before)}"
            )
    window = _dilated(kernel[1:3], options, (6, 5) if depthwise else (5, 4))
    _window(before, after, window, _strides(options), options.integer(0, "int8"))
    _bias(operator, tensors, 2, channels)


def _fully_connected(operator: Operator, tensors: list[Tensor]) -> None:
    before, kernel = (tensors[i].shape for i in operator.inputs[:2])
    after = tensors[operator.outputs[0]].shape
    if kernel is None:
        return
    if len(kernel) != 2 or min(kernel) < 1:
        raise UnsoundGraph(f"has weights of the shape {list(kernel)}")
    if max(0, _elements(before)) % kernel[1]:
        raise UnsoundGraph(
            f"has weights {list(kernel)} that do not fit its input {list(before or ())}"
        )
    values = _elements(before)
    made = -1 if values < 0 else values // kernel[1] * kernel[0]
    if after and not (agree(after[-1], kernel[0]) and agree(_elements(after), made)):
        raise UnsoundGraph(f"has weights {list(kernel)} that do not fit its output {list(after)}")
    _bias(operator, tensors, 2, kernel[0])


def _transposed(operator: Operator, tensors: list[Tensor]) -> None:
    kernel, before = (tensors[i].shape for i in operator.inputs[1:3])
    after, options = tensors[operator.outputs[0]].shape, operator.options
    if options is None or min(_strides(options)) < 1:
        raise UnsoundGraph("has no stride")
    if kernel is None or before is None:
        return
    if not _four(kernel, before, after) or min(kernel) < 1 or not agree(kernel[3], before[3]):
        raise UnsoundGraph(f"has weights {list(kernel)} that do not fit its input {list(before)}")
    if after is not None and not agree(after[3], kernel[0]):
        raise UnsoundGraph(f"has weights {list(kernel)} that do not fit its output {list(after)}")
    _bias(operator, tensors, 3, kernel[0])


def _pooling(operator: Operator, tensors: list[Tensor]) -> None:
    before, after = tensors[operator.inputs[0]].shape, tensors[operator.outputs[0]].shape
    options = operator.options
    if options is None:
        raise UnsoundGraph("has no options")
    if not _four(before, after):
        raise UnsoundGraph(f"has an input of the shape {list(before or ())}")
    window = options.integer(4, "int32"), options.integer(3, "int32")
    if before is not None and after is not None and not agree(before[3], after[3]):
        raise UnsoundGraph(f"makes {list(after)} of {list(before)}")
    unknown = (-1, -1, -1, -1)
    _window(before or unknown, after, window, _strides(options), options.integer(0, "int8"))


def _elementwise(operator: Operator, tensors: list[Tensor]) -> None:
    before, after = tensors[operator.inputs[0]].shape, tensors[operator.outputs[0]].shape
    if not fits(before, after):
        raise UnsoundGraph(f"makes {list(after or ())} of {list(before or ())}")


def _softmax(operator: Operator, tensors: list[Tensor]) -> None:
    beta = operator.options.number(0, "float32") if operator.options else 0.0
    if not math.isfinite(beta):
        raise UnsoundGraph(f"has the factor {beta}")
    _elementwise(operator, tensors)


def _rearranged(operator: Operator, tensors: list[Tensor]) -> None:
    before, after = tensors[operator.inputs[0]].shape, tensors[operator.outputs[0]].shape
    if not agree(_elements(before), _elements(after)):
        raise UnsoundGraph(f"makes {list(after or ())} of {list(before or ())}")


def _reshaped(operator: Operator, tensors: list[Tensor]) -> None:
    _rearranged(operator, tensors)
    operand_rules.reshaped(operator, tensors)


def _broadcast(operator: Operator, tensors: list[Tensor]) -> None:
    one, other = (tensors[i].shape for i in operator.inputs[:2])
    after = tensors[operator.outputs[0]].shape
    if one is None or other is None:
        return
    rank = max(len(one), len(other))
    pairs = list(zip(_padded(one, rank), _padded(other, rank), strict=True))
    if not all(agree(a, b) or 1 in (a, b) for a, b in pairs):
        raise UnsoundGraph(f"takes {list(one)} and {list(other)}")
    if not fits(tuple(-1 if min(a, b) < 0 else b if a == 1 else a for a, b in pairs), after):
        raise UnsoundGraph(f"makes {list(after or ())} of {list(one)} and {list(other)}")


def _sum(operator: Operator, tensors: list[Tensor]) -> None:
    """ADD and SUB: in 8 bits the kernels want the ratio of scales below 2 to the power of 19."""
    _broadcast(operator, tensors)
    after = tensors[operator.outputs[0]]
    before = [tensors[index] for index in operator.inputs if len(tensors[index].scales)]
    if before and len(after.scales):
        largest = max(float(tensor.scales[0]) for tensor in before)
        if largest >= float(after.scales[0]) * (1 << 19):
            raise UnsoundGraph(f"makes a scale of {float(after.scales[0]):g} of {largest:g}")


def _padded(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + shape


def _concatenation(operator: Operator, tensors: list[Tensor]) -> None:
    parts = [tensors[i].shape for i in operator.inputs]
    after = tensors[operator.outputs[0]].shape
    if after is None or any(part is None for part in parts):
        return
    known = [part for part in parts if part is not None]
    axis = operator.options.integer(0, "int32") if operator.options else 0
    axis += len(after) if axis < 0 else 0
    if not 0 <= axis < len(after) or any(len(part) != len(after) for part in known):
        raise UnsoundGraph(f"joins {[list(part) for part in known[:4]]} along axis {axis}")
    lengths = [part[axis] for part in known]
    total = -1 if min(lengths) < 0 else sum(lengths)
    if not all(fits((*part[:axis], total, *part[axis + 1 :]), after) for part in known):
        raise UnsoundGraph(f"makes {list(after)} of {[list(part) for part in known[:4]]}")


# What computes each value by itself: DEQUANTIZE, LOGISTIC, RELU, QUANTIZE, HARD_SWISH and others.
_UNARY: tuple[int, ...] = (
    6,
    8,
    14,
    19,
    20,
    21,
    28,
    47,
    53,
    59,
    66,
    73,
    75,
    76,
    80,
    92,
    93,
    98,
    101,
    104,
)
_UNARY += (108, 111, 114, 116, 117, 150, 152, 158)

# By the number of the operator's kind.
RULES: dict[int, Rule] = {
    **dict.fromkeys((0, 41), _sum),
    **dict.fromkeys((18, 42, 55, 57, 78, 99), _broadcast),
    **dict.fromkeys((1, 12, 17), _pooling),
    2: _concatenation,
    **dict.fromkeys((3, 4), _convolution),
    9: _fully_connected,
    25: _softmax,
    22: _reshaped,
    **dict.fromkeys((43, 70), _rearranged),
    **dict.fromkeys((23, 97), operand_rules.resized),
    **dict.fromkeys((26, 5), operand_rules.blocks),
    **dict.fromkeys((34, 60, 100), operand_rules.padded),
    39: operand_rules.transposed,
    **dict.fromkeys((40, 74, 81, 82, 89, 91, 140), operand_rules.reduced),
    45: operand_rules.sliced,
    49: operand_rules.split,
    67: _transposed,
    **dict.fromkeys(
        (*_UNARY, 11, 13, 50, 54),
        _elementwise,
    ),
}
