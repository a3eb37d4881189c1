"""Which TensorFlow operations an imported graph may have: those of image classifiers.

A graph is a program, and some of TensorFlow's operations read and write files, call
Python or reach the network. So what is on no list here is refused before TensorFlow
sees the graph. Nodes that the scores do not need are left out first: they are never run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.graph_nodes import node_name

_CONSTANTS = """
    Const Placeholder PlaceholderV2 PlaceholderWithDefault Identity IdentityN NoOp StopGradient
    PreventGradient Snapshot CheckNumerics EnsureShape Shape ShapeN Size Rank Fill Range LinSpace
    ZerosLike OnesLike Empty VarHandleOp ReadVariableOp Variable VariableV2
    PartitionedCall StatefulPartitionedCall Switch Merge RandomUniform
"""
_LAYERS = """
    Conv Conv2D DepthwiseConv2dNative Conv2DBackpropInput MatMul BatchMatMul BatchMatMulV2
    BatchMatMulV3 Einsum BiasAdd BiasAddV1 FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    BatchNormWithGlobalNormalization AvgPool MaxPool MaxPoolV2 LRN Prelu
    _FusedConv2D _FusedDepthwiseConv2dNative _FusedMatMul _FusedBatchNormEx
    Relu Relu6 LeakyRelu Elu Selu Softplus Softsign Sigmoid Tanh Softmax LogSoftmax
"""
_ARITHMETIC = """
    Add AddV2 AddN AccumulateNV2 Sub Mul Div RealDiv DivNoNan MulNoNan FloorDiv FloorMod Mod
    TruncateDiv Maximum Minimum Abs Neg Sign Square SquaredDifference Sqrt Rsqrt Reciprocal Inv
    Pow Exp Expm1 Log Log1p Erf Floor Ceil Round Rint ClipByValue Cumsum Sin Cos
    Mean Sum Prod Max Min All Any ArgMax ArgMin TopK TopKV2
    Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalNot
    Select SelectV2 Where
"""
_SHAPES = """
    Cast Bitcast Reshape Squeeze ExpandDims Transpose Pack Unpack Concat ConcatV2 ConcatOffset
    Split SplitV Slice StridedSlice Tile Pad PadV2 MirrorPad BroadcastTo BroadcastArgs Gather
    GatherV2 GatherNd OneHot Reverse ReverseV2 InvertPermutation DepthToSpace SpaceToDepth
    BatchToSpaceND SpaceToBatchND
"""
# Up to a tensor of pixels, from bytes that are fed.
_PICTURES = """
    DecodeJpeg DecodePng DecodeBmp DecodeImage ResizeArea ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor CropAndResize RGBToHSV HSVToRGB AdjustContrastv2 AdjustHue
    AdjustSaturation
"""
_QUANTIZED = """
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
    Quantize QuantizeV2 Dequantize Requantize RequantizePerChannel RequantizationRange
    RequantizationRangePerChannel QuantizeDownAndShrinkRange QuantizedAdd QuantizedAvgPool
    QuantizedBatchNormWithGlobalNormalization QuantizedBiasAdd QuantizedConcat QuantizedConcatV2
    QuantizedConv2D QuantizedDepthwiseConv2D QuantizedMatMul QuantizedMaxPool QuantizedMul
    QuantizedRelu QuantizedRelu6 QuantizedReluX QuantizedReshape QuantizedResizeBilinear
"""
ALLOWED = frozenset(
    f"{_CONSTANTS} {_LAYERS} {_ARITHMETIC} {_SHAPES} {_PICTURES} {_QUANTIZED}".split()
)


def allowed_part(path: Path, definition: Any, end: str) -> Any:
    """The part of a GraphDef that the node `end` is computed with, functions included.

    Raises ExportError where that part has an operation that is not allowed.
    """
    result = type(definition)()
    result.versions.CopyFrom(definition.versions)
    result.node.extend(needed_nodes(path, definition, end))
    refuse_operations(path, result.node)
    for function in allowed_functions(path, definition.library, calls(result.node)):
        result.library.function.add().CopyFrom(function)
    return result


def allowed_functions(path: Path, library: Any, names: Iterable[str]) -> list[Any]:
    """The named functions of a FunctionDefLibrary, and those they call, however indirectly.

    Raises ExportError where one has an operation that is not allowed.
    """
    functions = {function.signature.name: function for function in library.function}
    called: dict[str, Any] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in called:
            continue
        if name not in functions:
            raise ExportError(f"{path}: calls a function {name!r} that it does not have")
        called[name] = functions[name]
        refuse_operations(path, called[name].node_def)
        waiting += calls(called[name].node_def)
    return list(called.values())


def refuse_operations(path: Path, nodes: Iterable[Any]) -> None:
    """Raise ExportError for nodes whose operation is not allowed."""
    refused = sorted({node.op for node in nodes} - ALLOWED)
    if refused:
        several = len(refused) > 1
        raise ExportError(
            f"{path}: its graph has the operation{'s' if several else ''} {_listed(refused)}, "
            f"which {'are' if several else 'is'} refused: it is none that image classifiers need, "
            "and it might read or write files here. Convert the model to TensorFlow Lite where "
            "it was made, and import that"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:60] for name in names[:6]) + (", …" if len(names) > 6 else "")


def needed_nodes(path: Path, definition: Any, end: str) -> list[Any]:
    nodes = {node.name: node for node in definition.node}
    needed: set[str] = set()
    waiting = [end]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        if name not in nodes:
            raise ExportError(f"{path}: is damaged: its node {name!r} is missing")
        needed.add(name)
        waiting += [node_name(reference) for reference in nodes[name].input]
    return [node for node in definition.node if node.name in needed]


def calls(nodes: Iterable[Any]) -> list[str]:
    """The names of the functions in the attributes of nodes."""
    names = []
    for value in (value for node in nodes for value in node.attr.values()):
        kind = value.WhichOneof("value")
        if kind == "func":
            names.append(value.func.name)
        elif kind == "list":
            names += [function.name for function in value.list.func]
    return names
