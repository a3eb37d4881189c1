"""Models that are well formed and lie: sound small networks, changed in one to three places.

Shapes, types, kinds of operators, what they take and give, scales, options, contents, order and
graphs are changed, sometimes with all that belongs to them. The same number draws the same model.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.small_networks import small_network
from tests.tflite_models import OPTION_TYPES, Fields, empty_options, put_together, take_apart

DATA = Path(__file__).resolve().parent.parent / "data"
TRAINED = ("bare", "dynamic", "float32", "int8", "logits", "uint8")
SIDES = (-2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 255, 1001, 4096, 1 << 15, 1 << 20, (1 << 31) - 1)
NUMBERS = (-(1 << 31), -128, -3, -2, -1, 0, 1, 2, 3, 4, 5, 8, 64, 127, 1 << 16, (1 << 31) - 1)
REALS = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e-38, 1e-9, 0.004, 1.0, 3.0, 1e9)
BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 9: 8, 10: 64, 17: 4, 19: 2}
TYPES = (*BITS, 5, 8, 13, 14, 15, 18, 23, -1)

Lie = Callable[[random.Random, Fields], str]


def lying_model(seed: int) -> tuple[bytes, str]:
    """Return the file of a number, and what was changed in it."""
    chance = random.Random(seed)
    if chance.random() < 0.3:
        model = take_apart((DATA / f"{chance.choice(TRAINED)}.tflite").read_bytes())
        model["metadata"] = None
    else:
        model = small_network(chance)
    told = [lie(chance, model) for lie in chance.choices(LIES, k=chance.choice((1, 1, 2, 3)))]
    return put_together(model), "; ".join(told)


def _graph(chance: random.Random, model: Fields) -> Fields:
    graph: Fields = chance.choice(model["subgraphs"])
    return graph


def _tensor(chance: random.Random, model: Fields) -> Fields:
    tensor: Fields = chance.choice(_graph(chance, model)["tensors"])
    return tensor


def _operator(chance: random.Random, model: Fields) -> Fields:
    operators = [operator for graph in model["subgraphs"] for operator in graph["operators"]]
    operator: Fields = chance.choice(operators) if operators else {"inputs": [], "outputs": []}
    return operator


def _any_place(chance: random.Random, values: list[Any] | None) -> int:
    return chance.randrange(len(values)) if values else 0


def _changed_side(chance: random.Random, shape: list[int]) -> list[int]:
    place = _any_place(chance, shape)
    side = shape[place] if shape else 1
    other = chance.choice((*SIDES, side + 1, side - 1, side * 2, side // 2))
    return [*shape[:place], max(-(1 << 31), min(other, (1 << 31) - 1)), *shape[place + 1 :]]


def _fit_content(model: Fields, tensor: Fields) -> None:
    """Make the constant as long as the shape says, so that it is the shape alone that lies."""
    buffers = model["buffers"]
    buffer = buffers[tensor["buffer"]] if tensor["buffer"] < len(buffers) else {}
    count = 1
    for side in tensor["shape"] or []:
        count *= max(0, side)
    size = (count * BITS.get(tensor["type"], 8) + 7) // 8
    if buffer.get("data") and size <= 1 << 16:
        buffer["data"] = (buffer["data"] * (size // len(buffer["data"]) + 1))[:size]


def shape(chance: random.Random, model: Fields) -> str:
    tensor = _tensor(chance, model)
    before = tensor["shape"] or []
    after = chance.choice(
        (
            _changed_side(chance, before),
            _changed_side(chance, before),
            before[1:],
            [*before, 1],
            [1, *before],
            before[::-1],
            [],
            [1] * 9,
        )
    )
    tensor["shape"] = after
    coherent = chance.random() < 0.6
    if coherent:
        _fit_content(model, tensor)
    return f"shape {before} -> {after}{' with its content' if coherent else ''}"


def shapes_along(chance: random.Random, model: Fields) -> str:
    """The same side changed wherever it stands: no two shapes contradict one another."""
    tensor = _tensor(chance, model)
    side = chance.choice(tensor["shape"] or [1])
    other = chance.choice(SIDES)
    for graph in model["subgraphs"]:
        for changed in graph["tensors"]:
            if changed["shape"]:
                changed["shape"] = [other if n == side else n for n in changed["shape"]]
                _fit_content(model, changed)
    return f"sides {side} -> {other}"


def signature(chance: random.Random, model: Fields) -> str:
    tensor = _tensor(chance, model)
    tensor["shape_signature"] = chance.choice(
        (
            [-1] * len(tensor["shape"] or []),
            [-1],
            [chance.choice(SIDES) for _ in tensor["shape"] or []],
            [-1, *(tensor["shape"] or [])[1:]],
        )
    )
    return f"shape signature {tensor['shape_signature']} of {tensor['shape']}"


def type_code(chance: random.Random, model: Fields) -> str:
    tensor = _tensor(chance, model)
    before, tensor["type"] = tensor["type"], chance.choice(TYPES)
    _fit_content(model, tensor)
    return f"type {before} -> {tensor['type']}"


def types_along(chance: random.Random, model: Fields) -> str:
    before, after = chance.choice((0, 9, 3, 2)), chance.choice(TYPES)
    for graph in model["subgraphs"]:
        for tensor in graph["tensors"]:
            if tensor["type"] == before:
                tensor["type"] = after
                _fit_content(model, tensor)
    return f"types {before} -> {after}"


def buffer_index(chance: random.Random, model: Fields) -> str:
    tensor = _tensor(chance, model)
    tensor["buffer"] = chance.choice((0, 1, 2, len(model["buffers"]) - 1, len(model["buffers"])))
    tensor["buffer"] = chance.choice((tensor["buffer"], chance.randrange(len(model["buffers"]))))
    return f"buffer {tensor['buffer']}"


def content(chance: random.Random, model: Fields) -> str:
    """Other numbers in a small constant: axes, paddings, a shape, an order of sides."""
    buffers = [b for b in model["buffers"] if b.get("data") and len(b["data"]) in range(4, 65, 4)]
    if not buffers:
        return "nothing"
    buffer = chance.choice(buffers)
    values = list(struct.unpack(f"<{len(buffer['data']) // 4}i", buffer["data"]))
    values[_any_place(chance, values)] = chance.choice(NUMBERS)
    buffer["data"] = struct.pack(f"<{len(values)}i", *values)
    return f"content {values}"


def content_length(chance: random.Random, model: Fields) -> str:
    buffer = chance.choice(model["buffers"])
    data = buffer.get("data") or b"\x01\x02\x03\x04"
    buffer["data"] = chance.choice((data[:-1], data[: len(data) // 2], data * 2, b"", data[4:]))
    return f"content of {len(data)} -> {len(buffer['data'])} bytes"


def outside(chance: random.Random, model: Fields) -> str:
    buffer = chance.choice(model["buffers"])
    buffer.update(
        offset=chance.choice((1, 2, 64, 1 << 20, 1 << 40)), size=chance.choice((0, 4, 1 << 33))
    )
    return "content behind the graph"


def _quantization(chance: random.Random, model: Fields) -> Fields:
    tensor = _tensor(chance, model)
    if not tensor.get("quantization"):
        tensor["quantization"] = {"scale": [0.01], "zero_point": [0]}
    quantization: Fields = tensor["quantization"]
    return quantization


def scales(chance: random.Random, model: Fields) -> str:
    quantization = _quantization(chance, model)
    name = chance.choice(("scale", "zero_point"))
    values = quantization.get(name) or []
    one = [0.01] if name == "scale" else [0]
    both = chance.choice((None, [], one, one * 2, one * 4, one * 8, values[:-1], values + one))
    quantization[name] = both
    other = "zero_point" if name == "scale" else "scale"
    if both is not None and chance.random() < 0.5:
        quantization[other] = [0 if other == "zero_point" else 0.01] * len(both)
    return f"{len(quantization.get('scale') or [])} scales"


def scale_values(chance: random.Random, model: Fields) -> str:
    quantization = _quantization(chance, model)
    value = chance.choice(REALS)
    quantization["scale"] = [value] * len(quantization.get("scale") or [1])
    return f"scales {value}"


def zero_points(chance: random.Random, model: Fields) -> str:
    quantization = _quantization(chance, model)
    value = chance.choice((*NUMBERS, 1 << 62, -(1 << 62), 255, 256))
    quantization["zero_point"] = [value] * len(quantization.get("zero_point") or [1])
    return f"zero points {value}"


def quantized_dimension(chance: random.Random, model: Fields) -> str:
    quantization = _quantization(chance, model)
    quantization["quantized_dimension"] = chance.choice(NUMBERS)
    return f"quantized dimension {quantization['quantized_dimension']}"


def quantization_details(chance: random.Random, model: Fields) -> str:
    quantization = _quantization(chance, model)
    quantization.update(details_type=chance.choice((1, 2, 3)), details={"custom": b"1234"})
    return "quantization of another kind"


def without_quantization(chance: random.Random, model: Fields) -> str:
    _tensor(chance, model)["quantization"] = None
    return "no quantization"


def kind(chance: random.Random, model: Fields) -> str:
    operator = _operator(chance, model)
    code = chance.choice((*range(162), *range(162), *range(162, 215)))
    model["operator_codes"].append(
        {
            "deprecated_builtin_code": min(code, 127),
            "builtin_code": code,
            "version": chance.choice((1, 1, 1, 2, 3, 99, -1)),
            "custom_code": chance.choice((None, None, "", "x")),
        }
    )
    operator["opcode_index"] = len(model["operator_codes"]) - 1
    fitting = chance.random() < 0.6
    if fitting:
        operator["builtin_options_type"] = OPTION_TYPES.get(code, 0)
        operator["builtin_options"] = empty_options(OPTION_TYPES.get(code, 0))
    return f"kind {code}{' with its options' if fitting else ''}"


def version(chance: random.Random, model: Fields) -> str:
    code = chance.choice(model["operator_codes"])
    code["version"] = chance.choice((0, 2, 3, 5, 7, 12, 99, -1))
    return f"version {code['version']} of kind {code['builtin_code']}"


def operands(chance: random.Random, model: Fields) -> str:
    graph = _graph(chance, model)
    operator = (
        chance.choice(graph["operators"]) if graph["operators"] else _operator(chance, model)
    )
    side = chance.choice(("inputs", "inputs", "outputs"))
    given = list(operator[side] or [])
    place = _any_place(chance, given)
    some = chance.choice(
        (-1, -1, 0, chance.randrange(len(graph["tensors"])), len(graph["tensors"]))
    )
    operator[side] = chance.choice(
        (
            given[:-1],
            given[1:],
            given * 2,
            [*given, some],
            given[::-1],
            [*given[:place], some, *given[place + 1 :]],
            [*given[:place], some, *given[place + 1 :]],
            [],
            None,
        )
    )
    return f"{side} {given} -> {operator[side]}"


def options(chance: random.Random, model: Fields) -> str:
    operators = [
        operator
        for graph in model["subgraphs"]
        for operator in graph["operators"]
        if operator.get("builtin_options")
    ]
    if not operators:
        return "nothing"
    operator = chance.choice(operators)
    name = chance.choice(list(operator["builtin_options"]))
    before = operator["builtin_options"][name]
    after: Any = chance.choice(NUMBERS)
    if isinstance(before, float):
        after = chance.choice(REALS)
    elif isinstance(before, list):
        after = [chance.choice(NUMBERS) for _ in before]
    elif name in ("padding", "activation", "weights_format", "quantized_bias_type"):
        after = chance.choice((-128, -1, 0, 1, 2, 3, 4, 5, 6, 127))
    elif isinstance(before, bool) or name in ("keep_dims", "keep_num_dims"):
        after = not before
    operator["builtin_options"] = {**operator["builtin_options"], name: after}
    return f"{name} {before} -> {after} of type {operator['builtin_options_type']}"


def options_type(chance: random.Random, model: Fields) -> str:
    operator = _operator(chance, model)
    operator["builtin_options_type"] = chance.choice((0, *OPTION_TYPES.values()))
    operator["builtin_options"] = empty_options(operator["builtin_options_type"])
    return f"options of type {operator['builtin_options_type']}"


def order(chance: random.Random, model: Fields) -> str:
    operators = _graph(chance, model)["operators"]
    how = chance.choice(("shuffled", "without one", "one twice"))
    if how == "shuffled":
        chance.shuffle(operators)
    elif operators and how == "without one":
        del operators[_any_place(chance, operators)]
    elif operators:
        operators.append(dict(chance.choice(operators)))
    return f"operators {how}"


def ends(chance: random.Random, model: Fields) -> str:
    graph = _graph(chance, model)
    side = chance.choice(("inputs", "outputs"))
    count = len(graph["tensors"])
    graph[side] = chance.choice(
        ([], [chance.randrange(count)], [chance.randrange(count)], [count], [-1])
    )
    return f"graph's {side} {graph[side]}"


def graphs(chance: random.Random, model: Fields) -> str:
    first = model["subgraphs"][0]
    how = chance.choice(("copied", "called", "none", "empty"))
    if how == "none":
        model["subgraphs"] = [{**first, "operators": []}]
    elif how == "empty":
        model["subgraphs"].append({"tensors": [], "inputs": [], "outputs": [], "operators": []})
        model["subgraphs"] = [s for s in model["subgraphs"] if s["tensors"]] or [first]
    else:
        model["subgraphs"].append({**first, "operators": [dict(o) for o in first["operators"]]})
    if how == "called":
        operator = _operator(chance, model)
        code, type_ = chance.choice(((31, 16), (118, 92), (119, 93), (129, 103)))
        model["operator_codes"].append(
            {"deprecated_builtin_code": min(code, 127), "builtin_code": code, "version": 1}
        )
        called = chance.choice((0, 1, 1, 2, -1))
        operator.update(
            opcode_index=len(model["operator_codes"]) - 1,
            builtin_options_type=type_,
            builtin_options=dict.fromkeys(empty_options(type_) or {}, called),
        )
    return f"graphs {how}"


def signatures(chance: random.Random, model: Fields) -> str:
    index = chance.choice((0, 0, 1, 1000))
    tensors = len(model["subgraphs"][0]["tensors"])
    maps = [
        {"name": n, "tensor_index": chance.choice((0, tensors - 1, tensors))} for n in ("x", "")
    ]
    model["signature_defs"] = [
        {
            "inputs": chance.choice((None, [], maps[:1], maps)),
            "outputs": chance.choice((None, [], maps[:1])),
            "signature_key": chance.choice((None, "", "serving_default")),
            "subgraph_index": index,
        }
    ] * chance.choice((1, 2))
    return "signatures"


def variable(chance: random.Random, model: Fields) -> str:
    _tensor(chance, model)["is_variable"] = True
    return "a variable"


def sparse(chance: random.Random, model: Fields) -> str:
    _tensor(chance, model)["sparsity"] = {
        "traversal_order": chance.choice((None, [0, 1], [7])),
        "block_map": chance.choice((None, [0])),
    }
    return "sparse"


def unusual(chance: random.Random, model: Fields) -> str:
    """Fields that hardly a file has."""
    operator = _operator(chance, model)
    name, value = chance.choice(
        (
            ("custom_options", b"\0" * 8),
            ("intermediates", [chance.choice((-1, 0, 999))]),
            ("mutating_variable_inputs", b"\x01" * chance.choice((1, 3, 40))),
            ("large_custom_options_offset", 1 << 33),
            ("custom_options_format", 77),
        )
    )
    operator[name] = value
    return name


LIES: tuple[Lie, ...] = (
    shape, shape, shape, shapes_along, shapes_along, signature, type_code, types_along,
    buffer_index, content, content, content_length, outside, scales, scales, scale_values,
    zero_points, quantized_dimension, quantization_details, without_quantization, kind, kind,
    kind, version, operands, operands, operands, options, options, options, options_type, order,
    ends, graphs, signatures, variable, sparse, unusual,
)  # fmt: skip
