"""Sound classifiers of a few kilobytes, drawn at random: what lies are made of.

Layers of many kinds follow one another, in float32 or in int8, with shapes that fit. The
weights are noise: nothing is learned.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

from tests.tflite_models import Fields

FLOAT32, INT32, INT8 = 0, 2, 9
OUTPUTS = 4
_SAME, _VALID = 0, 1


class Network:
    """A graph that grows layer by layer; `shape` is that of its last tensor."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.type = chance.choice((FLOAT32, INT8))
        self.tensors: list[Fields] = []
        self.operators: list[Fields] = []
        self.codes: list[int] = []
        self.buffers: list[Fields] = [{"data": None}]
        side = chance.choice((8, 11, 12))
        self.last = self.activation([1, side, side, 3])

    @property
    def shape(self) -> list[int]:
        shape: list[int] = self.tensors[self.last]["shape"]
        return shape

    def activation(self, shape: Sequence[int]) -> int:
        scales = {"scale": [0.05], "zero_point": [-3]} if self.type == INT8 else None
        return self._tensor(shape, self.type, 0, scales)

    def constant(self, shape: Sequence[int], type_code: int, values: Sequence[Any]) -> int:
        kind = {FLOAT32: "f", INT32: "i", INT8: "b"}[type_code]
        self.buffers.append({"data": struct.pack(f"<{len(values)}{kind}", *values)})
        return self._tensor(shape, type_code, len(self.buffers) - 1, None)

    def indices(self, *values: int, shape: Sequence[int] | None = None) -> int:
        return self.constant(shape or [len(values)], INT32, values)

    def weights(self, shape: Sequence[int], axis: int, channels: int) -> tuple[int, int]:
        """Weights and bias; in int8 with a scale for each channel."""
        count = 1
        for length in shape:
            count *= length
        if self.type == FLOAT32:
            values = [self.chance.uniform(-0.5, 0.5) for _ in range(count)]
            return self.constant(shape, FLOAT32, values), self.constant(
                [channels], FLOAT32, [0.1] * channels
            )
        values = [self.chance.randint(-127, 127) for _ in range(count)]
        weights = self.constant(shape, INT8, values)
        bias = self.constant([channels], INT32, [5] * channels)
        zeros = [0] * channels
        self.tensors[weights]["quantization"] = {
            "scale": [0.01] * channels,
            "zero_point": zeros,
            "quantized_dimension": axis,
        }
        self.tensors[bias]["quantization"] = {"scale": [0.0005] * channels, "zero_point": zeros}
        return weights, bias

    def add(
        self, code: int, inputs: Sequence[int], shape: Sequence[int], type_: int, **options: Any
    ) -> None:
        """Append an operator, whose one output becomes the last tensor."""
        self.codes.append(code)
        self.last = self.activation(shape)
        self.operators.append(
            {
                "opcode_index": len(self.codes) - 1,
                "inputs": list(inputs),
                "outputs": [self.last],
                "builtin_options_type": type_,
                "builtin_options": options if type_ else None,
            }
        )

    def model(self) -> Fields:
        codes = [
            {"deprecated_builtin_code": min(code, 127), "builtin_code": code, "version": 1}
            for code in self.codes
        ]
        graph = {
            "tensors": self.tensors,
            "inputs": [0],
            "outputs": [self.last],
            "operators": self.operators,
            "name": "main",
        }
        return {
            "version": 3,
            "operator_codes": codes,
            "subgraphs": [graph],
            "description": "drawn at random",
            "buffers": self.buffers,
        }

    def _tensor(
        self, shape: Sequence[int], type_code: int, buffer: int, quantization: Fields | None
    ) -> int:
        self.tensors.append(
            {
                "shape": list(shape),
                "type": type_code,
                "buffer": buffer,
                "name": f"tensor{len(self.tensors)}",
                "quantization": quantization,
            }
        )
        return len(self.tensors) - 1


def small_network(chance: random.Random) -> Fields:
    """Draw a sound classifier with `OUTPUTS` outputs."""
    network = Network(chance)
    for layer in chance.choices(LAYERS, k=chance.randint(1, 5)):
        layer(network)
    chance.choice((_mean, _pool_and_reshape))(network)
    channels = network.shape[-1]
    weights, bias = network.weights([OUTPUTS, channels], 0, OUTPUTS)
    network.add(9, [network.last, weights, bias], [1, OUTPUTS], 8, activation=0)
    if chance.random() < 0.7:
        network.add(25, [network.last], [1, OUTPUTS], 9, beta=1.0)
        if network.type == INT8:
            network.tensors[network.last]["quantization"] = {
                "scale": [1 / 256],
                "zero_point": [-128],
            }
    return network.model()


def _sides(network: Network, window: int, stride: int, padding: int) -> list[int]:
    lengths = network.shape[1:3]
    if padding == _VALID:
        lengths = [length - window + 1 for length in lengths]
    return [-(-length // stride) for length in lengths]


def _window(network: Network) -> tuple[int, dict[str, int], list[int]]:
    """A window that fits, the options that it needs, and the sides of the result."""
    chance = network.chance
    window = chance.choice([n for n in (1, 2, 3) if n <= min(network.shape[1:3])])
    stride, padding = chance.choice((1, 1, 2)), chance.choice((_SAME, _VALID))
    options = {"padding": padding, "stride_w": stride, "stride_h": stride}
    return window, options, _sides(network, window, stride, padding)


def _convolution(network: Network) -> None:
    window, options, sides = _window(network)
    channels = network.chance.choice((4, 8))
    weights, bias = network.weights([channels, window, window, network.shape[3]], 0, channels)
    options |= {"dilation_w": 1, "dilation_h": 1, "activation": network.chance.choice((0, 1, 3))}
    network.add(3, [network.last, weights, bias], [1, *sides, channels], 1, **options)


def _depthwise(network: Network) -> None:
    window, options, sides = _window(network)
    multiplier = network.chance.choice((1, 1, 2))
    channels = network.shape[3] * multiplier
    weights, bias = network.weights([1, window, window, channels], 3, channels)
    options |= {"depth_multiplier": multiplier, "dilation_w": 1, "dilation_h": 1, "activation": 3}
    network.add(4, [network.last, weights, bias], [1, *sides, channels], 2, **options)


def _pooling(network: Network) -> None:
    window, options, sides = _window(network)
    options |= {"filter_width": window, "filter_height": window, "activation": 0}
    code = network.chance.choice((1, 17))
    network.add(code, [network.last], [1, *sides, network.shape[3]], 5, **options)


def _value_by_value(network: Network) -> None:
    kinds = [(19, 0), (21, 0), (117, 91)] + [(28, 0), (111, 0)] * (network.type == FLOAT32)
    code, options = network.chance.choice(kinds)
    network.add(code, [network.last], network.shape, options)


def _leaky(network: Network) -> None:
    network.add(98, [network.last], network.shape, 75, alpha=0.2)


def _with_itself(network: Network) -> None:
    code, options = network.chance.choice(((0, 11), (18, 21)))
    network.add(code, [network.last, network.last], network.shape, options, activation=0)


def _joined(network: Network) -> None:
    shape = [*network.shape[:3], 2 * network.shape[3]]
    if shape[3] <= 32:
        network.add(2, [network.last] * 2, shape, 10, axis=3, activation=0)


def _padded(network: Network) -> None:
    _, height, width, channels = network.shape
    paddings = network.indices(0, 0, 1, 1, 0, 1, 0, 0, shape=[4, 2])
    network.add(34, [network.last, paddings], [1, height + 2, width + 1, channels], 22)


def _turned(network: Network) -> None:
    _, height, width, channels = network.shape
    order = network.indices(0, 2, 1, 3)
    network.add(39, [network.last, order], [1, width, height, channels], 26)


def _reshaped(network: Network) -> None:
    shape = [1, network.shape[2], network.shape[1], network.shape[3]]
    network.add(22, [network.last, network.indices(*shape)], shape, 17, new_shape=shape)


def _resized(network: Network) -> None:
    size = network.indices(6, 7)
    network.add(23, [network.last, size], [1, 6, 7, network.shape[3]], 15, half_pixel_centers=True)


def _cut(network: Network) -> None:
    _, height, width, channels = network.shape
    begin, end = network.indices(0, 0, 0, 0), network.indices(1, height - 1, width, channels)
    strides = network.indices(1, 1, 1, 1)
    if height > 4:
        network.add(
            45,
            [network.last, begin, end, strides],
            [1, height - 1, width, channels],
            32,
            end_mask=0,
        )


def _mean(network: Network) -> None:
    axes = network.indices(1, 2)
    network.add(40, [network.last, axes], [1, network.shape[3]], 27, keep_dims=False)


def _pool_and_reshape(network: Network) -> None:
    _, height, width, channels = network.shape
    options = {"padding": _VALID, "stride_w": width, "stride_h": height, "activation": 0}
    network.add(
        1,
        [network.last],
        [1, 1, 1, channels],
        5,
        filter_width=width,
        filter_height=height,
        **options,
    )
    network.add(22, [network.last, network.indices(1, channels)], [1, channels], 17)


LAYERS: tuple[Callable[[Network], None], ...] = (
    _convolution, _convolution, _depthwise, _depthwise, _pooling, _value_by_value, _leaky,
    _with_itself, _joined, _padded, _turned, _reshaped, _resized, _cut,
)  # fmt: skip
