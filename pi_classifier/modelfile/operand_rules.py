"""Operators whose result depends on constants beside their input: axes, sizes, orders, paddings.

The runtimes make room for a result by the shape that the file states, and fill what the constants
say. Each rule raises `UnsoundGraph` in words that follow the operator's name; a constant that is
computed, a side that is not known (−1) and a shape that the file does not state fit everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pi_classifier.modelfile.subgraph import Operator, Shape, Tensor, UnsoundGraph, fits

_INTEGERS: dict[int, np.dtype[np.signedinteger[Any]]] = {2: np.dtype("<i4"), 4: np.dtype("<i8")}
_MOST_INTEGERS = 32


def integers(operator: Operator, tensors: list[Tensor], place: int) -> list[int] | None:
    """Return the constant whole numbers that are the input at `place`; None where not known."""
    if place >= len(operator.inputs):
        return None
    tensor = tensors[operator.inputs[place]]
    dtype = _INTEGERS.get(tensor.type_code)
    if dtype is None or not tensor.content:
        return None
    if len(tensor.content) > dtype.itemsize * _MOST_INTEGERS:
        raise UnsoundGraph(f"has an operand of the shape {list(tensor.shape or ())}")
    values: list[int] = np.frombuffer(tensor.content, dtype).tolist()
    return values


def expect(
    operator: Operator, tensors: list[Tensor], after: Sequence[int], operands: Sequence[int]
) -> None:
    """Refuse an output that the file states to be of another shape than `after`."""
    stated = tensors[operator.outputs[0]].shape
    if not fits(tuple(after), stated):
        before = list(tensors[operator.inputs[0]].shape or ())
        raise UnsoundGraph(
            f"makes {list(after)} of {before} by {list(operands)}, but its output is "
            f"{list(stated or ())}"
        )


def reduced(operator: Operator, tensors: list[Tensor]) -> None:
    """MEAN, SUM and the like: over constant axes."""
    before, axes = tensors[operator.inputs[0]].shape, integers(operator, tensors, 1)
    if before is None or axes is None:
        return
    rank = len(before)
    gone = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(gone) != len(axes):  # one that is not there, or the same twice
        raise UnsoundGraph(f"goes over the axes {axes} of {list(before)}")
    if operator.options is not None and operator.options.integer(0, "bool"):
        after = [1 if i in gone else side for i, side in enumerate(before)]
    else:
        after = [side for i, side in enumerate(before) if i not in gone]
    expect(operator, tensors, after, axes)


def resized(operator: Operator, tensors: list[Tensor]) -> None:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: to a constant height and width."""
    before, size = tensors[operator.inputs[0]].shape, integers(operator, tensors, 1)
    if before is None or size is None:
        return
    if len(before) != 4 or len(size) != 2 or min(size) < 1:
        raise UnsoundGraph(f"resizes {list(before)} to {size}")
    expect(operator, tensors, (before[0], *size, before[3]), size)


def padded(operator: Operator, tensors: list[Tensor]) -> None:
    """PAD, PADV2 and MIRROR_PAD: by constant numbers before and behind each axis."""
    before, paddings = tensors[operator.inputs[0]].shape, integers(operator, tensors, 1)
    if before is None or paddings is None:
        return
    if len(paddings) != 2 * len(before) or min(paddings, default=0) < 0:
        raise UnsoundGraph(f"pads {list(before)} by {paddings}")
    pairs = zip(before, paddings[::2], paddings[1::2], strict=True)
    expect(
        operator, tensors, [-1 if n < 0 else low + n + high for n, low, high in pairs], paddings
    )


def transposed(operator: Operator, tensors: list[Tensor]) -> None:
    """TRANSPOSE: axes in a constant order."""
    before, order = tensors[operator.inputs[0]].shape, integers(operator, tensors, 1)
    if before is None or order is None:
        return
    rank = len(before)
    axes = sorted(axis + rank if axis < 0 else axis for axis in order)
    if axes != list(range(rank)):
        raise UnsoundGraph(f"puts the axes of {list(before)} in the order {order}")
    expect(operator, tensors, [before[axis] for axis in order], order)


def reshaped(operator: Operator, tensors: list[Tensor]) -> None:
    """RESHAPE: to a constant shape, in which one side may be −1."""
    stated, wanted = tensors[operator.outputs[0]].shape, integers(operator, tensors, 1)
    if wanted is None or stated is None:
        return
    if wanted.count(-1) > 1 or min(wanted, default=0) < -1 or not fits(tuple(wanted), stated):
        raise UnsoundGraph(f"makes the shape {wanted}, but its output is {list(stated)}")


def sliced(operator: Operator, tensors: list[Tensor]) -> None:
    """STRIDED_SLICE: from constant begin to end, by strides. See slice.indices in Python."""
    before, options = tensors[operator.inputs[0]].shape, operator.options
    begin, end, strides = (integers(operator, tensors, place) for place in (1, 2, 3))
    if before is None or begin is None or end is None or strides is None:
        return
    if not len(begin) == len(end) == len(strides) or 0 in strides:
        raise UnsoundGraph(f"cuts from {begin} to {end} by {strides}")
    masks = [options.integer(i, "int32") if options else 0 for i in range(5)]
    from_begin = options is not None and options.integer(5, "bool")  # how the end is counted
    unusual = masks[2] or masks[3] or from_begin
    if unusual or len(begin) > len(before) or min(before, default=0) < 0:
        return
    after = []
    for i, side in enumerate(before):
        if i >= len(begin):
            after.append(side)
        elif not masks[4] >> i & 1:
            first = None if masks[0] >> i & 1 else begin[i]
            last = None if masks[1] >> i & 1 else end[i]
            after.append(len(range(*slice(first, last, strides[i]).indices(side))))
    expect(operator, tensors, after, (*begin, *end, *strides))


def split(operator: Operator, tensors: list[Tensor]) -> None:
    """SPLIT: into equal parts along a constant axis."""
    axis = integers(operator, tensors, 0)
    before, options = tensors[operator.inputs[1]].shape, operator.options
    parts = options.integer(0, "int32") if options else 0
    if parts != len(operator.outputs):
        raise UnsoundGraph(f"makes {parts} parts and has {len(operator.outputs)} outputs")
    if axis is None or before is None:
        return
    if len(axis) != 1 or not -len(before) <= axis[0] < len(before):
        raise UnsoundGraph(f"goes along the axis {axis} of {list(before)}")
    side = before[axis[0]]
    if side >= 0 and side % parts:
        raise UnsoundGraph(f"cannot make {parts} equal parts of {list(before)}")
    after = list(before)
    after[axis[0]] = -1 if side < 0 else side // parts
    for index in operator.outputs:
        if not fits(tuple(after), tensors[index].shape):
            raise UnsoundGraph(f"makes {after} of {list(before)}")


def blocks(operator: Operator, tensors: list[Tensor]) -> None:
    """SPACE_TO_DEPTH (26) and DEPTH_TO_SPACE: blocks of pixels become channels, or back."""
    before, options = tensors[operator.inputs[0]].shape, operator.options
    size = options.integer(0, "int32") if options else 0
    if not 1 <= size <= 1 << 10:
        raise UnsoundGraph(f"has blocks of {size}")
    if before is None or min(before, default=0) < 0:
        return
    if len(before) != 4:
        raise UnsoundGraph(f"has the input {list(before)}")
    batch, height, width, channels = before
    if operator.code == 26:
        after: Shape = (batch, height // size, width // size, channels * size * size)
    else:
        after = (batch, height * size, width * size, channels // (size * size))
    expect(operator, tensors, after, [size])
