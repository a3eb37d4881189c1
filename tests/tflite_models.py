"""Takes ``.tflite`` files apart and puts them together again, changed as a test likes.

A file becomes nested dictionaries with the names of TFLite's public schema.fbs; what was not
changed reads the same afterwards. Needs nothing but the `flatbuffers` package.
"""

from __future__ import annotations

from typing import Any

import flatbuffers

from pi_classifier.modelfile.flatbuffer import Table

# Fields by their slots: a number, a text, bytes, [a list], a table by its name.
_SCHEMA: dict[str, str] = {
    "Model": "version:uint32 operator_codes:[OperatorCode] subgraphs:[SubGraph] "
    "description:text buffers:[Buffer] metadata_buffer:[int32] metadata:[Metadata] "
    "signature_defs:[SignatureDef]",
    "OperatorCode": "deprecated_builtin_code:int8 custom_code:text version:int32 "
    "builtin_code:int32",
    "SubGraph": "tensors:[Tensor] inputs:[int32] outputs:[int32] operators:[Operator] name:text",
    "Tensor": "shape:[int32] type:int8 buffer:uint32 name:text quantization:Quantization "
    "is_variable:bool sparsity:Sparsity shape_signature:[int32] has_rank:bool",
    "Quantization": "min:[float32] max:[float32] scale:[float32] zero_point:[int64] "
    "details_type:uint8 details:Details quantized_dimension:int32",
    "Sparsity": "traversal_order:[int32] block_map:[int32]",
    "Details": "custom:bytes",
    "Operator": "opcode_index:uint32 inputs:[int32] outputs:[int32] builtin_options_type:uint8 "
    "builtin_options:Options custom_options:bytes custom_options_format:int8 "
    "mutating_variable_inputs:bytes intermediates:[int32] large_custom_options_offset:uint64 "
    "large_custom_options_size:uint64",
    "Buffer": "data:bytes offset:uint64 size:uint64",
    "Metadata": "name:text buffer:uint32",
    "SignatureDef": "inputs:[TensorMap] outputs:[TensorMap] signature_key:text unused:text "
    "subgraph_index:uint32",
    "TensorMap": "name:text tensor_index:uint32",
}
# Options of operators by the number of their type; others are not taken along.
_OPTIONS: dict[int, str] = {
    1: "padding:int8 stride_w:int32 stride_h:int32 activation:int8 dilation_w:int32 "
    "dilation_h:int32 quantized_bias_type:int8",
    2: "padding:int8 stride_w:int32 stride_h:int32 depth_multiplier:int32 activation:int8 "
    "dilation_w:int32 dilation_h:int32",
    5: "padding:int8 stride_w:int32 stride_h:int32 filter_width:int32 filter_height:int32 "
    "activation:int8",
    8: "activation:int8 weights_format:int8 keep_num_dims:bool asymmetric_quantize_inputs:bool",
    9: "beta:float32",
    10: "axis:int32 activation:int8",
    11: "activation:int8 pot_scale_int16:bool",
    15: "unused_height:int32 unused_width:int32 align_corners:bool half_pixel_centers:bool",
    16: "subgraph:uint32",
    17: "new_shape:[int32]",
    21: "activation:int8",
    22: "",
    26: "",
    27: "keep_dims:bool",
    28: "activation:int8 pot_scale_int16:bool",
    30: "squeeze_dims:[int32]",
    32: "begin_mask:int32 end_mask:int32 ellipsis_mask:int32 new_axis_mask:int32 "
    "shrink_axis_mask:int32 offset:bool",
    35: "num_splits:int32",
    39: "",
    75: "alpha:float32",
    91: "",
    92: "then_subgraph_index:int32 else_subgraph_index:int32",
    93: "cond_subgraph_index:int32 body_subgraph_index:int32",
    103: "init_subgraph_index:int32",
}
# Where a missing field means another number than 0; written whatever it is.
_DEFAULTS = {"dilation_w": 1, "dilation_h": 1}
_ALIGNMENT = 16  # of constants

Fields = dict[str, Any]

# The type of options that goes with a kind of operator, for options known here.
OPTION_TYPES = {
    0: 11, 1: 5, 2: 10, 3: 1, 4: 2, 9: 8, 17: 5, 18: 21, 22: 17, 23: 15, 25: 9, 31: 16, 34: 22,
    39: 26, 40: 27, 41: 28, 43: 30, 45: 32, 49: 35, 55: 39, 57: 39, 74: 27, 82: 27, 89: 27,
    98: 75, 117: 91, 118: 92, 119: 93, 129: 103,
}  # fmt: skip


def take_apart(content: bytes) -> Fields:
    """Return the model in `content` as dictionaries, with all fields that it states."""
    model = _unpacked(Table.root(memoryview(content), b"TFL3"), _SCHEMA["Model"])
    for code in model["operator_codes"]:
        # What is not written is 1 here, not 0; no runtime knows an operator of version 0.
        code["version"] = code["version"] or 1
    return model


def put_together(model: Fields) -> bytes:
    """Return the file that says what the dictionaries say."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(_packed(builder, model, _SCHEMA["Model"]), file_identifier=b"TFL3")
    return bytes(builder.Output())


def empty_options(type_code: int) -> Fields | None:
    """Return options of a type with nothing but zeros in them; None where there are none."""
    if type_code not in _OPTIONS:
        return None
    empty: Fields = {}
    for _, name, kind in _fields(_OPTIONS[type_code]):
        empty[name] = [0] if kind.startswith("[") else 0.0 if kind == "float32" else 0
    return empty


def _fields(schema: str) -> list[tuple[int, str, str]]:
    named = [field.split(":") for field in schema.split()]
    return [(slot, name, kind) for slot, (name, kind) in enumerate(named)]


def _unpacked(table: Table, schema: str) -> Fields:
    values: Fields = {}
    for slot, name, kind in _fields(schema):
        value: Any
        if kind == "text":
            value = table.text(slot) if table.target(slot) else None
        elif kind == "bytes":
            value = bytes(table.raw(slot)) if table.target(slot) else None
        elif kind.startswith("["):
            value = _unpacked_list(table, slot, kind[1:-1])
        elif kind[0].isupper():
            inner = table.table(slot)
            described = _OPTIONS.get(values["builtin_options_type"]) if kind == "Options" else None
            value = None
            if inner is not None and (kind in _SCHEMA or described is not None):
                value = _unpacked(inner, _SCHEMA.get(kind) or described or "")
        else:
            value = table.number(slot, kind, _DEFAULTS.get(name, 0))  # type: ignore[arg-type]
        values[name] = value
    return values


def _unpacked_list(table: Table, slot: int, kind: str) -> list[Any] | None:
    if table.target(slot) is None:
        return None
    if kind in _SCHEMA:
        return [_unpacked(inner, _SCHEMA[kind]) for inner in table.tables(slot)]
    scalar: Any = kind
    return list(table.numbers(slot, scalar))


def _packed(builder: Any, values: Fields, schema: str) -> int:
    """Write a table with what it refers to; return where it lies."""
    fields = [field for field in _fields(schema) if values.get(field[1]) is not None]
    offsets = {}
    for slot, name, kind in fields:
        value = values[name]
        if kind == "text":
            offsets[slot] = builder.CreateString(value)
        elif kind == "bytes":
            builder.StartVector(1, len(value), _ALIGNMENT)
            builder.head -= len(value)
            builder.Bytes[builder.Head() : builder.Head() + len(value)] = value
            offsets[slot] = builder.EndVector()
        elif kind.startswith("["):
            offsets[slot] = _packed_list(builder, value, kind[1:-1])
        elif kind == "Options":
            offsets[slot] = _packed(builder, value, _OPTIONS[values["builtin_options_type"]])
        elif kind in _SCHEMA:
            offsets[slot] = _packed(builder, value, _SCHEMA[kind])
    builder.StartObject(len(_fields(schema)))
    for slot, name, kind in fields:
        if slot in offsets:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
        else:
            prepend = getattr(builder, f"Prepend{kind.capitalize()}Slot")
            prepend(slot, _wrapped(values[name], kind), None)
    end: int = builder.EndObject()
    return end


def _wrapped(value: Any, kind: str) -> Any:
    """The number as its field can hold it: what is too large wraps around, as in C."""
    if kind == "bool":
        return bool(value)
    if kind.startswith("float"):
        return value
    bits, signed = int(kind.lstrip("uint")), not kind.startswith("u")
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def _packed_list(builder: Any, values: list[Any], kind: str) -> int:
    offset: int
    if kind in _SCHEMA:
        places = [_packed(builder, value, _SCHEMA[kind]) for value in values]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        offset = builder.EndVector()
        return offset
    size = {"int32": 4, "float32": 4, "int64": 8}[kind]
    builder.StartVector(size, len(values), size)
    for value in reversed(values):
        getattr(builder, f"Prepend{kind.capitalize()}")(_wrapped(value, kind))
    offset = builder.EndVector()
    return offset
