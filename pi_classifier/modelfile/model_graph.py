"""A ``.tflite`` file's graph in full: operations, tensors, and where the weights lie.

The daemon reads only what it must know (`pi_classifier.modelfile.tflite_graph`); this is for
looking at everything, by `pi-classifier profile` and the bench. Slots are numbered as the fields
stand in TFLite's public schema.fbs.
LiteRT's generated classes (`ai_edge_litert.schema_py_generated`) would give them names, but
checked nothing: a file with flipped bytes gave a wrong graph or one of three exceptions, and
MobileNet v2 took 55 ms to read, here 10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import ModelFileError
from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table

# TensorType of the schema, as numpy names them; 17 is packed four-bit.
_DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
    9: "int8", 10: "float64", 12: "uint64", 15: "uint32", 16: "uint16",
}  # fmt: skip

# BuiltinOperator of the schema, by number. LiteRT's own list is not there with tflite-runtime.
_KIND_NAMES = (
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE "
    "EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D "
    "LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU "
    "RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH "
    "CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD "
    "UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN "
    "SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN "
    "EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM "
    "ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN "
    "TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE "
    "POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND "
    "LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD "
    "RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V "
    "UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG "
    "QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 "
    "NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL "
    "PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL "
    "COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL "
    "CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS "
    "RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE "
    "RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 "
    "UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC "
    "STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE "
    "STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION "
    "STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND "
    "STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM "
    "STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT "
    "STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE "
    "STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD "
    "STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT "
    "STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR "
    "REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE"
)
_KINDS = _KIND_NAMES.split()


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor; `data` is its constant value in the file, empty for an activation.

    `scales` and `zero_points` are per tensor (one value) or per channel along
    `quantized_dimension`; empty where the tensor is not quantized. `offset` is where
    `data` starts in the file.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int
    data: memoryview
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int

    @property
    def constant(self) -> bool:
        """Whether the file holds this tensor's value."""
        return len(self.data) > 0

    @property
    def elements(self) -> int:
        """How many numbers it holds; an unknown dimension (−1) counts as 1."""
        return math.prod(max(1, n) for n in self.shape)

    @property
    def size_bytes(self) -> int:
        """Its size in memory; texts and types unknown here count as 4 bytes for a number."""
        try:
            return len(self.data) or self.elements * np.dtype(self.dtype).itemsize
        except TypeError:
            return self.elements * 4

    def values(self) -> NDArray[np.generic]:
        """The constant's stored values, a read-only view of the file. Raises ModelFileError."""
        if not self.constant or self.dtype.startswith("type"):
            raise ModelFileError(f"tensor {self.name!r} ({self.dtype}) has no values in the file")
        flat: NDArray[np.generic] = np.frombuffer(self.data, np.dtype(self.dtype))
        return flat.reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation: its kind such as ``CONV_2D``, tensor indices (−1 is none), its options."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    @property
    def bias(self) -> int:
        """The bias of an operation with weights, as a tensor index; −1 where it has none."""
        return self.inputs[2] if len(self.inputs) > 2 else -1


@dataclass(frozen=True, slots=True, eq=False)
class ModelGraph:
    """The main graph of a model file, its operations in the order they run."""

    tensors: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def maker(self, tensor: int) -> Operation | None:
        """The operation that makes a tensor; None for an input or a constant."""
        return next((o for o in self.operations if tensor in o.outputs), None)


def read_model_graph(data: bytes | memoryview) -> ModelGraph:
    """Read the model at the start of `data`. Raises ModelFileError where it is damaged."""
    view = memoryview(data)
    try:
        model = Table.root(view, b"TFL3")
        buffers, codes = model.tables(4), [_kind(code) for code in model.tables(1)]
        graph = model.tables(2)[0]
        return ModelGraph(
            tuple(_tensor(i, t, buffers) for i, t in enumerate(graph.tables(0))),
            tuple(_operation(o, codes) for o in graph.tables(3)),
            _indices(graph, 1),
            _indices(graph, 2),
        )
    except (DamagedBuffer, IndexError) as error:
        raise ModelFileError(f"this is not a sound TFLite model: {error}") from error


def _indices(table: Table, slot: int) -> tuple[int, ...]:
    return tuple(int(i) for i in table.numbers(slot, "int32"))


def _kind(code: Table) -> str:
    number = max(code.integer(0, "int8"), code.integer(3, "int32"))
    name = _KINDS[number] if 0 <= number < len(_KINDS) else f"OPERATION_{number}"
    return code.text(1) or name if name == "CUSTOM" else name


def _tensor(index: int, table: Table, buffers: list[Table]) -> Tensor:
    code, buffer = table.integer(1, "int8"), buffers[table.integer(2, "uint32")]
    data = buffer.raw(0)
    start = buffer.target(0)
    quantization = table.table(4)
    scales: tuple[int | float, ...] = ()
    zero_points: tuple[int | float, ...] = ()
    dimension = 0
    if quantization is not None:
        scales = quantization.numbers(2, "float32", limit=1 << 20)
        zero_points = quantization.numbers(3, "int64", limit=1 << 20)
        dimension = quantization.integer(6, "int32")
    return Tensor(
        index,
        table.text(3),
        tuple(int(n) for n in table.numbers(0, "int32", limit=16)),
        _DTYPES.get(code, f"type {code}"),
        0 if start is None else start + 4,  # the vector's length comes first
        data,
        tuple(float(s) for s in scales),
        tuple(int(z) for z in zero_points),
        dimension,
    )


def _operation(table: Table, codes: list[str]) -> Operation:
    return Operation(
        codes[table.integer(0, "uint32")],
        _indices(table, 1),
        _indices(table, 2),
        table.table(4),
    )
