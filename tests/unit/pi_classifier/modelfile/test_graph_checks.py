"""Files that are well formed and lie: each of these changes ended a runtime or took gigabytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pi_classifier.errors import ModelFileError, ModelMismatch
from pi_classifier.modelfile.flatbuffer import Table
from pi_classifier.modelfile.graph_checks import check_graphs
from pi_classifier.modelfile.model_file import read_model_bytes
from pi_classifier.modelfile.subgraph import UnsoundGraph
from pi_classifier.modelfile.tflite_graph import read_graph
from tests.fuzz.small_networks import Network
from tests.tflite_models import OPTION_TYPES, Fields, put_together, take_apart

DATA = Path(__file__).resolve().parents[3] / "data"
ADD, AVERAGE_POOL, CONCATENATION, CONV, DEPTHWISE = 0, 1, 2, 3, 4
FULLY_CONNECTED, LOGISTIC, MUL, RESHAPE, SOFTMAX, MEAN = 9, 14, 18, 22, 25, 40
RESIZE, PAD, TRANSPOSE, SUM = 23, 34, 39, 74
WHILE, ASSIGN_VARIABLE, ABSENT = 119, 144, -1

Change = Callable[[Fields], None]


def model(name: str = "int8") -> Fields:
    return take_apart((DATA / f"{name}.tflite").read_bytes())


def graph_of(fields: Fields) -> Fields:
    graph: Fields = fields["subgraphs"][0]
    return graph


def code_of(fields: Fields, operator: Fields) -> int:
    code = fields["operator_codes"][operator["opcode_index"]]
    return max(int(code["deprecated_builtin_code"]), int(code["builtin_code"]))


def operator(fields: Fields, code: int) -> Fields:
    found: Fields = next(o for o in graph_of(fields)["operators"] if code_of(fields, o) == code)
    return found


def tensor(fields: Fields, code: int, place: int, side: str = "inputs") -> Fields:
    """One of the tensors of the first operator of a kind."""
    found: Fields = graph_of(fields)["tensors"][operator(fields, code)[side][place]]
    return found


def becomes(fields: Fields, code: int, other: int) -> None:
    """Let the first operator of a kind be of another, with the same options."""
    fields["operator_codes"].append(
        {"deprecated_builtin_code": min(other, 127), "builtin_code": other, "version": 1}
    )
    operator(fields, code)["opcode_index"] = len(fields["operator_codes"]) - 1


def setting(code: int, **options: Any) -> Change:
    return lambda fields: operator(fields, code)["builtin_options"].update(options)


def shaped(code: int, place: int, shape: list[int], side: str = "inputs") -> Change:
    return lambda fields: tensor(fields, code, place, side).update(shape=shape)


def quantized(code: int, place: int, **values: Any) -> Change:
    return lambda fields: tensor(fields, code, place)["quantization"].update(values)


def taking(code: int, inputs: Callable[[list[int]], list[int]]) -> Change:
    return lambda fields: operator(fields, code).update(
        inputs=inputs(operator(fields, code)["inputs"])
    )


def operands(code: int, place: int, values: list[int]) -> Change:
    """Other numbers in a constant that says how an operator works."""

    def change(fields: Fields) -> None:
        buffer = fields["buffers"][tensor(fields, code, place)["buffer"]]
        buffer["data"] = struct.pack(f"<{len(values)}i", *values)

    return change


def writing_to_a_constant(fields: Fields) -> None:
    fields["buffers"].append({"data": bytes(4)})
    tensor(fields, SOFTMAX, 0, "outputs")["buffer"] = len(fields["buffers"]) - 1


def backwards(fields: Fields) -> None:
    graph_of(fields)["operators"].reverse()


def huge_input(fields: Fields) -> None:
    for entry in graph_of(fields)["tensors"]:
        if entry["shape"] and entry["shape"][1:3] == [16, 16]:
            entry["shape"] = [1, 8192, 8192, 3]
    shaped(CONV, 0, [1, 4096, 4096, 16], "outputs")(fields)
    shaped(DEPTHWISE, 0, [1, 2048, 2048, 16], "outputs")(fields)
    shaped(MEAN, 0, [1, 2048, 2048, 80])(fields)


def calling_itself(fields: Fields) -> None:
    becomes(fields, MEAN, WHILE)
    operator(fields, WHILE).update(
        builtin_options_type=93,
        builtin_options={"cond_subgraph_index": 0, "body_subgraph_index": 0},
    )


def calling_a_missing_graph(fields: Fields) -> None:
    calling_itself(fields)
    setting(WHILE, cond_subgraph_index=7)(fields)


def without_options(fields: Fields) -> None:
    operator(fields, CONV).update(builtin_options_type=0, builtin_options=None)


def signed_elsewhere(fields: Fields) -> None:
    fields["signature_defs"] = [{"inputs": [{"name": "x", "tensor_index": 999}], "outputs": []}]


def weights_behind_the_graph(fields: Fields) -> None:
    fields["buffers"][1].update(offset=4096, size=16)


LIES: list[tuple[str, Change, str]] = [
    ("an input less", taking(DEPTHWISE, lambda i: i[:2]), r"CONV_2D\) has 2 inputs; expected 3"),
    ("an input more", taking(SOFTMAX, lambda i: [*i, *i]), r"SOFTMAX\) has 2 inputs; expected 1"),
    ("no bias", taking(CONV, lambda i: [*i[:2], ABSENT]), r"CONV_2D\) lacks an input"),
    (
        "two outputs",
        lambda m: operator(m, SOFTMAX)["outputs"].append(0),
        r"SOFTMAX\) has 2 outputs",
    ),
    (
        "another kind",
        lambda m: becomes(m, SOFTMAX, ASSIGN_VARIABLE),
        r"VARIABLE\) has 1 input; expected 2",
    ),
    ("other options", lambda m: becomes(m, MEAN, MUL), r"MUL\) has the options of another"),
    ("no options", without_options, r"CONV_2D\) has no options"),
    ("no stride", setting(CONV, stride_w=0), r"window of \[3, 3\] with the strides \[2, 0\]"),
    (
        "no dilation",
        setting(DEPTHWISE, dilation_h=0),
        r"DEPTHWISE_CONV_2D\) has the dilation \[0, 1\]",
    ),
    ("padding", setting(CONV, padding=7), "unknown padding"),
    ("multiplier", setting(DEPTHWISE, depth_multiplier=3), "its multiplier 3"),
    ("beta", setting(SOFTMAX, beta=float("nan")), "has the factor nan"),
    (
        "a longer constant",
        shaped(CONV, 1, [16, 3, 3, 4]),
        "needs 576 bytes, but the file holds 432",
    ),
    (
        "a negative side",
        shaped(CONV, 0, [1, 16, -16, 3], "outputs"),
        r"the shape \[1, 16, -16, 3\]",
    ),
    ("an endless shape", shaped(MUL, 0, [1 << 30] * 16), r"\(MUL\) makes \[1, 16, 16, 3\] of"),
    ("a huge input", huge_input, "by its shapes it needs 448 MB at a time"),
    ("channels", shaped(CONV, 0, [1, 8, 8, 12], "outputs"), "weights for 16 channels"),
    ("sides", shaped(CONV, 0, [1, 9, 8, 16], "outputs"), r"makes \[8, 8\] of \[1, 16, 16, 3\]"),
    ("elements", shaped(SOFTMAX, 0, [1, 5], "outputs"), r"makes \[1, 5\] of \[1, 4\]"),
    ("broadcast", shaped(ADD, 0, [1, 16, 17, 3], "outputs"), r"makes \[1, 16, 17, 3\] of"),
    (
        "reduced axes",
        operands(MEAN, 1, [1, 3]),
        r"makes \[1, 4\] of \[1, 4, 4, 80\] by \[1, 3\]",
    ),
    ("axis outside", operands(MEAN, 1, [1, 9]), r"goes over the axes \[1, 9\]"),
    ("axis twice", operands(MEAN, 1, [2, -2]), r"goes over the axes \[2, -2\]"),
    ("no scale", lambda m: tensor(m, ADD, 1).update(quantization=None), "which has no scale"),
    ("a scale of 0", quantized(ADD, 0, scale=[0.0]), "which has no scale"),
    ("blocks", quantized(CONV, 1, details_type=2, details={}), "quantized in blocks"),
    (
        "a tiny scale",
        lambda m: tensor(m, ADD, 0, "outputs")["quantization"].update(scale=[1e-9]),
        "makes a scale of 1e-09 of",
    ),
    ("variant", lambda m: tensor(m, MEAN, 0, "outputs").update(type=14), "holds no numbers"),
    ("packed", lambda m: tensor(m, ADD, 1).update(type=17), r"ADD\) cannot take .* of 4 bits"),
    ("no zero points", quantized(CONV, 1, zero_point=None), "16 scales and 0 zero points"),
    (
        "scales",
        quantized(CONV, 1, scale=[0.1] * 3, zero_point=[0] * 3),
        "3 scales, which do not fit",
    ),
    (
        "scales of the bias",
        quantized(CONV, 2, scale=[0.1], zero_point=[0]),
        "16 scales for its weights and 1",
    ),
    ("another axis", quantized(CONV, 1, quantized_dimension=7), "16 scales, which do not fit"),
    ("scale", quantized(CONV, 1, scale=[-1.0] * 16), "impossible scale"),
    ("zero point", quantized(CONV, 1, zero_point=[300] * 16), "impossible zero point"),
    ("written constant", writing_to_a_constant, r"SOFTMAX\) writes where something else stands"),
    ("before its time", backwards, "before it is computed"),
    (
        "output from nowhere",
        lambda m: graph_of(m)["operators"].pop(),
        "nothing computes its output",
    ),
    ("calls itself", calling_itself, "in a circle"),
    ("calls nothing", calling_a_missing_graph, "calls a graph that is not there"),
    ("signature", signed_elsewhere, "signature names a tensor that is not there"),
    ("offset", weights_behind_the_graph, "weights lie behind the graph"),
    ("type", lambda m: tensor(m, CONV, 0).update(type=99), "numbers of an unknown kind"),
    (
        "signature of a shape",
        lambda m: tensor(m, CONV, 0).update(shape_signature=[-1]),
        r"the signature \[-1\]",
    ),
]


@pytest.mark.parametrize(
    ("change", "says"), [lie[1:] for lie in LIES], ids=[lie[0] for lie in LIES]
)
def test_a_lie_is_refused_with_what_is_wrong_and_what_to_do(change: Change, says: str) -> None:
    fields = model()
    change(fields)
    with pytest.raises(ModelFileError, match=says) as caught:
        read_model_bytes(put_together(fields), "lie.tflite")
    assert str(caught.value).startswith("lie.tflite: ")
    assert "or else convert the model again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_kept_from_picture_to_picture() -> None:
    fields = take_apart((DATA / "float32.tflite").read_bytes())
    tensor(fields, MEAN, 0, "outputs")["is_variable"] = True
    with pytest.raises(ModelMismatch, match="is a variable, kept from one picture to the next"):
        read_graph(memoryview(put_together(fields)))


def test_sparse_weights() -> None:
    fields = model()
    tensor(fields, CONV, 1)["sparsity"] = {"traversal_order": [0, 1]}
    with pytest.raises(ModelMismatch, match=r"stored sparsely.*EXPERIMENTAL_SPARSITY"):
        read_graph(memoryview(put_together(fields)))


@pytest.mark.parametrize("name", ["bare", "dynamic", "float32", "int8", "logits", "uint8"])
def test_what_was_put_together_again_is_sound(name: str) -> None:
    content = (DATA / f"{name}.tflite").read_bytes()
    before, after = (
        read_graph(memoryview(content)),
        read_graph(memoryview(put_together(model(name)))),
    )
    assert (before.input, before.output) == (after.input, after.output)


def test_sides_that_the_network_leaves_open_fit_everything() -> None:
    fields = model()
    for entry in graph_of(fields)["tensors"]:
        computed = not fields["buffers"][entry["buffer"]]["data"]
        if computed and len(entry["shape"]) == 4 and entry["shape"][1:3] != [16, 16]:
            channels = entry["shape"][3]
            entry.update(shape=[1, 1, 1, channels], shape_signature=[-1, -1, -1, channels])
    assert read_graph(memoryview(put_together(fields))).outputs == 4


@pytest.mark.parametrize(("bits", "code"), [(4, 17), (2, 19)])
def test_packed_constants_count_their_bits(bits: int, code: int) -> None:
    fields = model()
    weights = tensor(fields, FULLY_CONNECTED, 1)
    weights["type"], values = code, weights["shape"][0] * weights["shape"][1]
    buffer = fields["buffers"][weights["buffer"]]
    buffer["data"] = bytes(values * bits // 8)
    read_graph(memoryview(put_together(fields)))
    buffer["data"] += b"\0"
    with pytest.raises(ValueError, match="but the file holds"):
        read_graph(memoryview(put_together(fields)))


SIDES = [1, 5, 7, 3]


@pytest.mark.parametrize(
    ("code", "values", "after", "options"),
    [
        (RESIZE, [9, 4], [1, 9, 4, 3], {}),
        (PAD, [0, 0, 1, 2, 3, 0, 0, 0], [1, 8, 10, 3], {}),
        (TRANSPOSE, [0, 3, 1, 2], [1, 3, 5, 7], {}),
        (RESHAPE, [1, -1], [1, 105], {}),
        (SUM, [1, -1], [1, 7], {"keep_dims": False}),
        (SUM, [1, -1], [1, 1, 7, 1], {"keep_dims": True}),
    ],
)
def test_results_are_as_their_operands_say(
    code: int, values: list[int], after: list[int], options: Fields
) -> None:
    """A runtime makes room by the shape that the file states, and fills it by the operands."""
    network = Network(random.Random(2))
    network.type, network.tensors = 0, []
    network.last = network.activation(SIDES)
    operand = network.indices(*values, shape=[4, 2] if code == PAD else [len(values)])
    network.add(code, [network.last, operand], after, OPTION_TYPES[code], **options)
    check_graphs(root_of(network.model()))
    for place, side in enumerate(after):
        network.tensors[-1]["shape"] = [*after[:place], side + 1, *after[place + 1 :]]
        with pytest.raises(UnsoundGraph, match="makes"):
            check_graphs(root_of(network.model()))


@pytest.mark.parametrize("order", [[0, 5, 2, 3], [0, 1, 1, 2], [0, -5, 2, 3], [0, 1, 2]])
def test_an_order_of_axes_names_every_axis_once(order: list[int]) -> None:
    network = Network(random.Random(2))
    network.type, network.tensors = 0, []
    network.last = network.activation(SIDES)
    network.add(TRANSPOSE, [network.last, network.indices(*order)], SIDES, 26)
    with pytest.raises(UnsoundGraph, match="in the order"):
        check_graphs(root_of(network.model()))


def root_of(fields: Fields) -> Table:
    return Table.root(memoryview(put_together(fields)), b"TFL3")
