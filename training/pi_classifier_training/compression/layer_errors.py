"""Which layer of a quantized file hurts: every layer's results against the float file's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.model_graph import (
    ModelGraph,
    Operation,
    Tensor,
    read_model_graph,
)
from pi_classifier_training.conversion.execution import WEIGHTED, UnknownOperation, execute
from pi_classifier_training.conversion.full_integer import BATCH, Range, fake_quantized
from pi_classifier_training.data.stored_pixels import PixelRows
from pi_classifier_training.errors import ExportError

# What full-integer files have besides the float file's operations.
_ADDED = ("QUANTIZE", "DEQUANTIZE")
_INTEGERS = {"int8": (-128, 127), "uint8": (0, 255)}
# Reported instead of infinity: no error at all, or nothing but error (with a minus).
LARGEST_DB = 99.0
# What the converter and Keras add to a layer's own name.
_SUFFIX = re.compile(r"(_(norm|convolution|relu6|add|relu))?(_\d+)?$")


@dataclass(frozen=True, slots=True)
class LayerError:
    """What quantization does to one layer.

    `sqnr_db` is the signal-to-quantization-noise ratio of its results with all of the
    network quantized, in decibels: 10 · log10(Σ float² / Σ difference²); 20 dB is an error of
    a tenth. `alone` is how much the scores change, on average, when only this layer is
    quantized; None where that cannot be simulated.
    """

    name: str
    kind: str
    sqnr_db: float
    alone: float | None

    def as_dict(self) -> dict[str, Any]:
        """The entries as JSON has them."""
        return {
            "layer": self.name,
            "operation": self.kind,
            "sqnr_db": round(self.sqnr_db, 2),
            "alone": None if self.alone is None else round(self.alone, 6),
        }


def layer_errors(original: bytes, quantized: bytes, photos: PixelRows) -> list[LayerError]:
    """Compare a quantized file's layers with the float file's, in the order they run.

    Both are bare or finished model files of the same network that take raw pixels;
    `photos` is uint8 ``[n, side, side, 3]``. Raises ExportError where their operations
    do not correspond.
    """
    exact, coarse = read_model_graph(original), read_model_graph(quantized)
    pairs = _pairs(exact, coarse)
    noise = _noise(original, quantized, pairs, photos)
    try:
        alone: Sequence[float | None] = _alone(exact, coarse, pairs, photos)
    except UnknownOperation:
        alone = [None] * len(pairs)
    return [
        LayerError(layer_name(exact, ours), ours.kind, db, change)
        for (ours, _), db, change in zip(pairs, noise, alone, strict=True)
    ]


def _pairs(exact: ModelGraph, coarse: ModelGraph) -> list[tuple[Operation, Operation]]:
    ours = [o for o in exact.operations if o.kind not in _ADDED]
    theirs = [o for o in coarse.operations if o.kind not in _ADDED]
    if [o.kind for o in ours] != [o.kind for o in theirs]:
        raise ExportError(
            f"the two files are not of the same network: {len(ours)} and {len(theirs)} "
            "operations, or of different kinds"
        )
    return list(zip(ours, theirs, strict=True))


def layer_name(graph: ModelGraph, operation: Operation) -> str:
    """A layer's name as the network's builder gave it, as far as the file still has it."""
    if operation.outputs[0] in graph.outputs:
        return "scores"
    index = operation.inputs[1] if operation.kind in WEIGHTED else operation.outputs[0]
    path = graph.tensors[index].name.split(";")[0].split("/")
    parts = path[1:-1] or path
    # Batch norms leave their own name behind: block3/norm/batchnorm/mul.
    part = next((p for p in reversed(parts) if p != "batchnorm"), parts[-1])
    return _SUFFIX.sub("", part)


def _noise(
    original: bytes,
    quantized: bytes,
    pairs: Sequence[tuple[Operation, Operation]],
    photos: PixelRows,
) -> list[float]:
    """Signal-to-quantization-noise ratio of each pair's results, by running both files."""
    exact = _results(original, [ours.outputs[0] for ours, _ in pairs], photos)
    coarse = _results(quantized, [theirs.outputs[0] for _, theirs in pairs], photos)
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    for one, other in zip(exact, coarse, strict=True):
        signal += [np.square(a, dtype=np.float64).sum() for a in one]
        noise += [
            np.square(a - b, dtype=np.float64).sum() for a, b in zip(one, other, strict=True)
        ]
    return decibels(signal, noise)


def decibels(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> list[float]:
    """10 · log10(signal / noise) of each pair, held within ± `LARGEST_DB`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        db = 10 * np.log10(signal / noise)
    # Nothing without an error is 0 / 0.
    return [LARGEST_DB if np.isnan(x) else float(np.clip(x, -LARGEST_DB, LARGEST_DB)) for x in db]


def _results(model: bytes, tensors: Sequence[int], photos: PixelRows) -> Any:
    """Yield the real values of tensors (by index) for each photo."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model,
        # Other kernels join operations and overwrite what lies between.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    pixels = interpreter.get_input_details()[0]
    graph = read_model_graph(model)
    for photo in photos:
        interpreter.set_tensor(pixels["index"], photo[np.newaxis].astype(pixels["dtype"]))
        interpreter.invoke()
        yield [dequantized(graph.tensors[i], interpreter.get_tensor(i)) for i in tensors]


def dequantized(tensor: Tensor, values: NDArray[Any]) -> NDArray[np.float32]:
    """The real values of a tensor's stored ones: scale · (stored − zero point)."""
    if not tensor.scales or values.dtype.kind not in "iu":
        return values.astype(np.float32)
    shape = [1] * values.ndim
    if len(tensor.scales) > 1:
        shape[tensor.quantized_dimension] = -1
    scales = np.array(tensor.scales, np.float32).reshape(shape if values.ndim else -1)
    zeros = np.array(tensor.zero_points, np.float32).reshape(shape if values.ndim else -1)
    real: NDArray[np.float32] = (values.astype(np.float32) - zeros) * scales
    return real.reshape(values.shape)


def _alone(
    exact: ModelGraph,
    coarse: ModelGraph,
    pairs: Sequence[tuple[Operation, Operation]],
    photos: PixelRows,
) -> list[float]:
    """Mean change of the scores with one layer's constants and result quantized."""
    pixels = photos[:].astype(np.float32)
    float_scores = _scores(exact, pixels, {}, {})
    changes = []
    for ours, theirs in pairs:
        constants = {
            mine: _constant_of(coarse, index)
            for mine, index in zip(ours.inputs, theirs.inputs, strict=False)
            if mine >= 0 and exact.tensors[mine].constant and _is_real(exact.tensors[mine])
        }
        limits = _limits(coarse.tensors[theirs.outputs[0]])
        ranges = {} if limits is None else {ours.outputs[0]: limits}
        scores = _scores(exact, pixels, constants, ranges)
        changes.append(float(np.abs(scores - float_scores).mean()))
    return changes


def _scores(
    graph: ModelGraph,
    pixels: NDArray[np.float32],
    constants: Mapping[int, Any],
    ranges: Mapping[int, Range],
) -> NDArray[np.float32]:
    def constant(index: int) -> Any:
        return constants.get(index, graph.tensors[index].values())

    def passing(index: int, result: Any) -> Any:
        return fake_quantized(result, ranges[index]) if index in ranges else result

    return np.concatenate(
        [
            execute(graph, pixels[start : start + BATCH], constant, passing).numpy()
            for start in range(0, len(pixels), BATCH)
        ]
    )


def _is_real(tensor: Tensor) -> bool:
    return tensor.dtype == "float32"


def _constant_of(graph: ModelGraph, index: int) -> NDArray[np.float32]:
    """The real values of a constant, also behind a DEQUANTIZE of stored float16."""
    makers = {o.outputs[0]: o for o in graph.operations if o.kind == "DEQUANTIZE"}
    tensor = graph.tensors[makers[index].inputs[0] if index in makers else index]
    return dequantized(tensor, tensor.values())


def _limits(tensor: Tensor) -> Range | None:
    """The least and greatest value a quantized result can take; None where it is float."""
    if tensor.dtype not in _INTEGERS or not tensor.scales:
        return None
    low, high = _INTEGERS[tensor.dtype]
    scale, zero = tensor.scales[0], tensor.zero_points[0]
    return (low - zero) * scale, (high - zero) * scale
