"""What each kind of operator in a ``.tflite`` file takes and gives.

The numbers of kinds, of options
and of their slots are those of TFLite's public schema.fbs; how many inputs there are, and which
shapes go together, is what the kernels rely on (tensorflow/lite/kernels).
"""

from __future__ import annotations

from typing import NamedTuple

from pi_classifier.modelfile.operator_rules import RULES
from pi_classifier.modelfile.subgraph import Operator, Tensor, UnsoundGraph, counted

_MANY = 1 << 16


class Kind(NamedTuple):
    """A kind of operator: its fewest and most inputs, the type of its options, its outputs."""

    name: str
    fewest: int
    most: int
    options: int = 0
    outputs: int = 1


KINDS = {
    0: Kind("ADD", 2, 2, 11),
    1: Kind("AVERAGE_POOL_2D", 1, 1, 5),
    2: Kind("CONCATENATION", 1, _MANY, 10),
    3: Kind("CONV_2D", 3, 3, 1),
    4: Kind("DEPTHWISE_CONV_2D", 3, 3, 2),
    5: Kind("DEPTH_TO_SPACE", 1, 1, 94),
    6: Kind("DEQUANTIZE", 1, 1, 38),
    7: Kind("EMBEDDING_LOOKUP", 2, 2),
    8: Kind("FLOOR", 1, 1),
    9: Kind("FULLY_CONNECTED", 2, 3, 8),
    10: Kind("HASHTABLE_LOOKUP", 3, 3, outputs=2),
    11: Kind("L2_NORMALIZATION", 1, 1, 12),
    12: Kind("L2_POOL_2D", 1, 1, 5),
    13: Kind("LOCAL_RESPONSE_NORMALIZATION", 1, 1, 13),
    14: Kind("LOGISTIC", 1, 1),
    15: Kind("LSH_PROJECTION", 2, 3, 4),
    16: Kind("LSTM", 5, 24, 14, outputs=_MANY),
    17: Kind("MAX_POOL_2D", 1, 1, 5),
    18: Kind("MUL", 2, 2, 21),
    19: Kind("RELU", 1, 1),
    20: Kind("RELU_N1_TO_1", 1, 1),
    21: Kind("RELU6", 1, 1),
    22: Kind("RESHAPE", 1, 2, 17),
    23: Kind("RESIZE_BILINEAR", 2, 2, 15),
    24: Kind("RNN", 5, 5, 7),
    25: Kind("SOFTMAX", 1, 1, 9),
    26: Kind("SPACE_TO_DEPTH", 1, 1, 19),
    27: Kind("SVDF", 5, 5, 6),
    28: Kind("TANH", 1, 1),
    33: Kind("EMBEDDING_LOOKUP_SPARSE", 5, 5, 20),
    34: Kind("PAD", 2, 2, 22),
    35: Kind("UNIDIRECTIONAL_SEQUENCE_RNN", 5, 5, 31),
    36: Kind("GATHER", 2, 2, 23),
    37: Kind("BATCH_TO_SPACE_ND", 3, 3, 24),
    38: Kind("SPACE_TO_BATCH_ND", 3, 3, 25),
    39: Kind("TRANSPOSE", 2, 2, 26),
    40: Kind("MEAN", 2, 2, 27),
    41: Kind("SUB", 2, 2, 28),
    42: Kind("DIV", 2, 2, 29),
    43: Kind("SQUEEZE", 1, 1, 30),
    44: Kind("UNIDIRECTIONAL_SEQUENCE_LSTM", 20, 24, 71),
    45: Kind("STRIDED_SLICE", 4, 4, 32),
    46: Kind("BIDIRECTIONAL_SEQUENCE_RNN", 12, 12, 70, outputs=_MANY),
    47: Kind("EXP", 1, 1, 33),
    48: Kind("TOPK_V2", 2, 2, 34, outputs=2),
    49: Kind("SPLIT", 2, 2, 35, outputs=_MANY),
    50: Kind("LOG_SOFTMAX", 1, 1, 36),
    52: Kind("BIDIRECTIONAL_SEQUENCE_LSTM", 48, 48, 69, outputs=_MANY),
    53: Kind("CAST", 1, 1, 37),
    54: Kind("PRELU", 2, 2),
    55: Kind("MAXIMUM", 2, 2, 39),
    56: Kind("ARG_MAX", 2, 2, 40),
    57: Kind("MINIMUM", 2, 2, 39),
    58: Kind("LESS", 2, 2, 41),
    59: Kind("NEG", 1, 1, 42),
    60: Kind("PADV2", 3, 3, 43),
    61: Kind("GREATER", 2, 2, 44),
    62: Kind("GREATER_EQUAL", 2, 2, 45),
    63: Kind("LESS_EQUAL", 2, 2, 46),
    64: Kind("SELECT", 3, 3, 47),
    65: Kind("SLICE", 3, 3, 48),
    66: Kind("SIN", 1, 1),
    67: Kind("TRANSPOSE_CONV", 3, 4, 49),
    68: Kind("SPARSE_TO_DENSE", 4, 4, 50),
    69: Kind("TILE", 2, 2, 51),
    70: Kind("EXPAND_DIMS", 2, 2, 52),
    71: Kind("EQUAL", 2, 2, 53),
    72: Kind("NOT_EQUAL", 2, 2, 54),
    73: Kind("LOG", 1, 1),
    74: Kind("SUM", 2, 2, 27),
    75: Kind("SQRT", 1, 1),
    76: Kind("RSQRT", 1, 1),
    77: Kind("SHAPE", 1, 1, 55),
    78: Kind("POW", 2, 2, 56),
    79: Kind("ARG_MIN", 2, 2, 57),
    80: Kind("FAKE_QUANT", 1, 1, 58),
    81: Kind("REDUCE_PROD", 2, 2, 27),
    82: Kind("REDUCE_MAX", 2, 2, 27),
    83: Kind("PACK", 1, _MANY, 59),
    84: Kind("LOGICAL_OR", 2, 2, 60),
    85: Kind("ONE_HOT", 4, 4, 61),
    86: Kind("LOGICAL_AND", 2, 2, 62),
    87: Kind("LOGICAL_NOT", 1, 1, 63),
    88: Kind("UNPACK", 1, 1, 64, outputs=_MANY),
    89: Kind("REDUCE_MIN", 2, 2, 27),
    90: Kind("FLOOR_DIV", 2, 2, 65),
    91: Kind("REDUCE_ANY", 2, 2, 27),
    92: Kind("SQUARE", 1, 1, 66),
    93: Kind("ZEROS_LIKE", 1, 1, 67),
    94: Kind("FILL", 2, 2, 68),
    95: Kind("FLOOR_MOD", 2, 2, 72),
    96: Kind("RANGE", 3, 3, 73),
    97: Kind("RESIZE_NEAREST_NEIGHBOR", 2, 2, 74),
    98: Kind("LEAKY_RELU", 1, 1, 75),
    99: Kind("SQUARED_DIFFERENCE", 2, 2, 76),
    100: Kind("MIRROR_PAD", 2, 2, 77),
    101: Kind("ABS", 1, 1, 78),
    102: Kind("SPLIT_V", 3, 3, 79, outputs=_MANY),
    103: Kind("UNIQUE", 1, 1, 80, outputs=2),
    104: Kind("CEIL", 1, 1),
    105: Kind("REVERSE_V2", 2, 2, 81),
    106: Kind("ADD_N", 1, _MANY, 82),
    107: Kind("GATHER_ND", 2, 2, 83),
    108: Kind("COS", 1, 1, 84),
    109: Kind("WHERE", 1, 1, 85),
    110: Kind("RANK", 1, 1, 86),
    111: Kind("ELU", 1, 1),
    112: Kind("REVERSE_SEQUENCE", 2, 2, 87),
    113: Kind("MATRIX_DIAG", 1, 1, 88),
    114: Kind("QUANTIZE", 1, 1, 89),
    115: Kind("MATRIX_SET_DIAG", 2, 2, 90),
    116: Kind("ROUND", 1, 1),
    117: Kind("HARD_SWISH", 1, 1, 91),
    120: Kind("NON_MAX_SUPPRESSION_V4", 5, 5, 95, outputs=2),
    121: Kind("NON_MAX_SUPPRESSION_V5", 6, 6, 96, outputs=3),
    122: Kind("SCATTER_ND", 3, 3, 97),
    123: Kind("SELECT_V2", 3, 3, 98),
    124: Kind("DENSIFY", 1, 1, 99),
    125: Kind("SEGMENT_SUM", 2, 2, 100),
    126: Kind("BATCH_MATMUL", 2, 2, 101),
    128: Kind("CUMSUM", 2, 2, 102),
    129: Kind("CALL_ONCE", 0, 0, 103, outputs=0),
    130: Kind("BROADCAST_TO", 2, 2, 104),
    131: Kind("RFFT2D", 2, 2, 105),
    132: Kind("CONV_3D", 2, 3, 106),
    133: Kind("IMAG", 1, 1),
    134: Kind("REAL", 1, 1),
    135: Kind("COMPLEX_ABS", 1, 1),
    136: Kind("HASHTABLE", 0, 0, 107),
    137: Kind("HASHTABLE_FIND", 3, 3, 108),
    138: Kind("HASHTABLE_IMPORT", 3, 3, 109, outputs=0),
    139: Kind("HASHTABLE_SIZE", 1, 1, 110),
    140: Kind("REDUCE_ALL", 2, 2, 27),
    141: Kind("CONV_3D_TRANSPOSE", 3, 4, 106),
    142: Kind("VAR_HANDLE", 0, 0, 111),
    143: Kind("READ_VARIABLE", 1, 1, 112),
    144: Kind("ASSIGN_VARIABLE", 2, 2, 113, outputs=0),
    145: Kind("BROADCAST_ARGS", 2, 2),
    146: Kind("RANDOM_STANDARD_NORMAL", 1, 1, 114),
    147: Kind("BUCKETIZE", 1, 1, 115),
    148: Kind("RANDOM_UNIFORM", 1, 1, 114),
    149: Kind("MULTINOMIAL", 2, 2, 114),
    150: Kind("GELU", 1, 1, 116),
    151: Kind("DYNAMIC_UPDATE_SLICE", 3, 3, 117),
    152: Kind("RELU_0_TO_1", 1, 1),
    153: Kind("UNSORTED_SEGMENT_PROD", 3, 3, 118),
    154: Kind("UNSORTED_SEGMENT_MAX", 3, 3, 119),
    155: Kind("UNSORTED_SEGMENT_SUM", 3, 3, 121),
    156: Kind("ATAN2", 2, 2, 122),
    157: Kind("UNSORTED_SEGMENT_MIN", 3, 3, 120),
    158: Kind("SIGN", 1, 1, 123),
    159: Kind("BITCAST", 1, 1, 124),
    160: Kind("BITWISE_XOR", 2, 2, 125),
    161: Kind("RIGHT_SHIFT", 2, 2, 126),
}
# From which place on an input may be none (−1): only a fully connected layer may lack its bias,
# recurrent layers lack many.
_OPTIONAL = {9: 2, 15: 2, 16: 0, 24: 0, 27: 0, 35: 0, 44: 0, 46: 0, 52: 0}
# What computes with real numbers: 8-bit values without a scale stand for none.
_ARITHMETIC = (0, 3, 4, 6, 9, 11, 14, 18, 25, 28, 40, 41, 50, 54, 67, 74, 98, 99, 114, 117)
_EIGHT_BITS = (3, 9)
# What knows constants that are packed, several to a byte.
_UNPACKING = (3, 4, 6, 7, 9, 36, 53, 67, 126)
# What they call: the slots of the graphs' numbers in the options of CALL, IF, WHILE, CALL_ONCE.
_CALLS = {31: (0,), 118: (0, 1), 119: (0, 1), 129: (0,)}
# In the second kind of options: STABLEHLO_REDUCE, _SCATTER, _REDUCE_WINDOW, _SORT, _WHILE,
# _COMPOSITE.
_STABLEHLO_CALLS = {174: (1,), 190: (6,), 198: (5,), 199: (2,), 200: (0, 1), 206: (1,)}


def operator_name(operator: Operator) -> str:
    """Name the operator as it may stand in a message."""
    kind = KINDS.get(operator.code)
    return f"operator {operator.place} ({kind.name if kind else f'kind {operator.code}'})"


def check_operator(operator: Operator, tensors: list[Tensor]) -> None:
    """Check the number of inputs and outputs, the options and the shapes of `operator`.

    Raises `UnsoundGraph`. A kind that is not in the table is left to the model's trial.
    """
    kind = KINDS.get(operator.code)
    if kind is None:
        return
    given = len(operator.inputs)
    if not kind.fewest <= given <= kind.most:
        most = f" to {kind.most}" if kind.fewest < kind.most < _MANY else ""
        raise UnsoundGraph(
            f"{operator_name(operator)} has {counted(given, 'input')}; expected "
            f"{kind.fewest}{most}"
        )
    if any(index < 0 for index in operator.inputs[: _OPTIONAL.get(operator.code)]):
        raise UnsoundGraph(f"{operator_name(operator)} lacks an input that it needs")
    results = len(operator.outputs)
    if results != kind.outputs and not (kind.outputs == _MANY and results):
        raise UnsoundGraph(f"{operator_name(operator)} has {counted(results, 'output')}")
    if operator.options_type not in (0, kind.options):
        raise UnsoundGraph(f"{operator_name(operator)} has the options of another operator")
    _check_values(operator, tensors)
    if operator.code in RULES:
        try:
            RULES[operator.code](operator, tensors)
        except UnsoundGraph as error:
            raise UnsoundGraph(f"{operator_name(operator)} {error}") from None


def _check_values(operator: Operator, tensors: list[Tensor]) -> None:
    used = [tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    for tensor in used:
        if tensor.type_code in _EIGHT_BITS:
            scaled = len(tensor.scales) and tensor.scales[0] != 0
            if not scaled and operator.code in _ARITHMETIC:
                raise UnsoundGraph(
                    f"{operator_name(operator)} computes with {tensor.name}, which has no scale"
                )
        elif not tensor.bits and operator.code in RULES:
            raise UnsoundGraph(
                f"{operator_name(operator)} computes with {tensor.name}, which holds no numbers"
            )
        elif 0 < tensor.bits < 8 and not (tensor.content and operator.code in _UNPACKING):
            raise UnsoundGraph(
                f"{operator_name(operator)} cannot take {tensor.name} of {tensor.bits} bits"
            )


def subgraphs_of(operator: Operator) -> list[int]:
    """Return the numbers of the graphs that `operator` calls."""
    options = operator.options
    if operator.code in _STABLEHLO_CALLS:
        options = operator.table.table(12)
    slots = _CALLS.get(operator.code) or _STABLEHLO_CALLS.get(operator.code) or ()
    return [options.integer(slot, "int32") for slot in slots] if options else []
