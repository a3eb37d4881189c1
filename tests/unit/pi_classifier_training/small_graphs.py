"""Builds small TFLite files by hand, so that what a network computes is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pi_classifier.modelfile.model_graph import ModelGraph, read_model_graph

SAME, VALID = 0, 1
NO_ACTIVATION, RELU, RELU_N1_TO_1, RELU6 = range(4)
_TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9}
# The schema's options of the operations used here.
_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "DIV": "DivOptions",
    "CONCATENATION": "ConcatenationOptions",
    "SOFTMAX": "SoftmaxOptions",
    "CAST": "CastOptions",
    "GATHER": "GatherOptions",
    "TRANSPOSE": "TransposeOptions",
    "RESHAPE": "ReshapeOptions",
}


class Network:
    """A TFLite file in the making; every method returns the index of the tensor it adds."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers = [_buffer(b"")]
        self._codes: list[str] = []
        self._operators: list[Any] = []
        self._inputs: list[int] = []

    def input(
        self,
        *shape: int,
        dtype: str = "float32",
        signature: Sequence[int] = (),
        **quantization: Any,
    ) -> int:
        """An input of the network; `signature` is its shape with -1 where it is open."""
        self._inputs.append(self.tensor("input", shape, dtype, **quantization))
        self._tensors[-1].shapeSignature = list(signature) or None
        return self._inputs[-1]

    def constant(self, values: Any, name: str = "constant", **quantization: Any) -> int:
        """A tensor with values in the file."""
        values = np.asarray(values)
        self._buffers.append(_buffer(values.tobytes()))
        buffer = len(self._buffers) - 1
        return self.tensor(name, values.shape, values.dtype.name, buffer=buffer, **quantization)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        scales: Sequence[float] = (),
        zero_points: Sequence[int] = (),
        axis: int = 0,
        buffer: int = 0,
    ) -> int:
        """Any tensor; `scales` and `zero_points` make it a quantized one."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), _TYPES[dtype]
        tensor.buffer = buffer
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = list(scales)
            tensor.quantization.zeroPoint = list(zero_points)
            tensor.quantization.quantizedDimension = axis
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def operation(
        self, kind: str, inputs: Sequence[int], output: Sequence[int] | int, **options: float
    ) -> int:
        """An operation; `output` is the shape of its float result, or a tensor added before.

        A `kind` that TFLite does not have is a custom operator.
        """
        made = output if isinstance(output, int) else self.tensor(kind.lower(), output)
        if kind not in self._codes:
            self._codes.append(kind)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(kind)
        operator.inputs, operator.outputs = list(inputs), [made]
        if kind in _OPTIONS:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[kind])
            operator.builtinOptions = getattr(schema, f"{_OPTIONS[kind]}T")()
            for name, value in options.items():
                setattr(operator.builtinOptions, name, value)
        self._operators.append(operator)
        return made

    def conv(self, x: int, kernel: Any, output: Sequence[int], **options: int) -> int:
        """A convolution with `kernel` ``[out, height, width, in]``, stride 1 unless told."""
        return self._convolution("CONV_2D", x, kernel, output, options)

    def depthwise(self, x: int, kernel: Any, output: Sequence[int], **options: int) -> int:
        """A depthwise convolution with `kernel` ``[1, height, width, out]``."""
        options = {"depthMultiplier": 1, **options}
        return self._convolution("DEPTHWISE_CONV_2D", x, kernel, output, options)

    def _convolution(
        self, kind: str, x: int, kernel: Any, output: Sequence[int], options: dict[str, int]
    ) -> int:
        weights = self.constant(np.asarray(kernel, np.float32), f"net/{kind.lower()}/kernel")
        bias = self.constant(np.zeros(output[-1], np.float32), "bias")
        options = {"strideW": 1, "strideH": 1, **options}
        return self.operation(kind, (x, weights, bias), output, **options)

    def dense(self, x: int, weights: Any, bias: Any, **options: int) -> int:
        """A fully connected layer with `weights` ``[out, in]``."""
        weights, bias = np.asarray(weights, np.float32), np.asarray(bias, np.float32)
        inputs = (x, self.constant(weights, "net/dense/kernel"), self.constant(bias, "bias"))
        return self.operation("FULLY_CONNECTED", inputs, (1, len(bias)), **options)

    def data(self, signature: tuple[int, int] | None = None) -> bytes:
        """The file, with the last operation's result as the network's output.

        `signature` are the tensors that it names as input and output.
        """
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = self._inputs, list(self._operators[-1].outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = [_code(kind) for kind in self._codes]
        if signature is not None:
            model.signatureDefs = [_signature(*signature)]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def graph(self) -> ModelGraph:
        """The network as the workstation's programs read it."""
        return read_model_graph(self.data())


def _buffer(data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _code(kind: str) -> Any:
    code = schema.OperatorCodeT()
    number = getattr(schema.BuiltinOperator, kind, schema.BuiltinOperator.CUSTOM)
    if number == schema.BuiltinOperator.CUSTOM:
        code.customCode = kind
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
    return code


def _signature(source: int, result: int) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = [schema.TensorMapT()], [schema.TensorMapT()]
    for mapping, name, index in (
        (signature.inputs[0], "picture", source),
        (signature.outputs[0], "scores", result),
    ):
        mapping.name, mapping.tensorIndex = name, index
    return signature


def graph_of(
    kind: str, inputs: Sequence[Any], output: Sequence[int], **options: int
) -> ModelGraph:
    """A graph of one operation; arrays among the `inputs` are constants, shapes are fed."""
    network = Network()
    indices = [
        network.constant(x) if isinstance(x, np.ndarray) else network.input(*x) for x in inputs
    ]
    network.operation(kind, indices, output, **options)
    return network.graph()
