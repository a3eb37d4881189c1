"""Files of weights as PyTorch writes them, in both of its forms, written without PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}
START, STOP = b"\x80\x02", b"."
MAGIC = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little")


def text(value: str) -> bytes:
    """A string, as a pickle of protocol 2 has it."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(key: str, array: Array, count: int | None = None) -> bytes:
    """An array as a view of storage `key`; `count` is how many numbers that is said to hold."""
    size = array.itemsize
    storage = b"".join((
        b"(", text("storage"), named("torch", STORAGES[array.dtype.str[1:]]), text(key),
        text("cpu"), number(array.size if count is None else count), b"tQ",
    ))  # fmt: skip
    sizes = numbers(array.shape) + numbers(tuple(s // size for s in array.strides))
    hooks = named("collections", "OrderedDict") + b")R"
    view = b"(" + storage + number(0) + sizes + b"\x89" + hooks + b"t"
    return named("torch._utils", "_rebuild_tensor_v2") + view + b"R"


def contents(values: Mapping[str, bytes]) -> bytes:
    """The pickle of an ordered dictionary of pickled values, with PyTorch's note on versions."""
    items = b"".join(text(name) + value for name, value in values.items())
    note = b"}" + text("_metadata") + b"}s"
    return START + named("collections", "OrderedDict") + b")R(" + items + b"u" + note + b"b" + STOP


def archive(values: Mapping[str, bytes], data: Mapping[str, bytes], compression: int = 0) -> bytes:
    """The form that PyTorch has written since 1.6."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as whole:
        whole.writestr("weights/data.pkl", contents(values))
        whole.writestr("weights/byteorder", b"little")
        for key, stored in data.items():
            whole.writestr(f"weights/data/{key}", stored)
    return file.getvalue()


def old_form(values: Mapping[str, bytes], data: Mapping[str, bytes], sizes: list[int]) -> bytes:
    """The form before: pickles one behind the other, then the numbers."""
    system = b"}" + text("little_endian") + b"\x88s"
    keys = b"](" + b"".join(map(text, data)) + b"e"
    stored = (struct.pack("<q", n) + d for n, d in zip(sizes, data.values(), strict=True))
    heads = (START + part + STOP for part in (MAGIC, number(1001), system))
    return b"".join((*heads, contents(values), START + keys + STOP, *stored))


def in_memory_order(array: Array) -> bytes:
    """The numbers of an array that fills its storage, as they lie there."""
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return array.transpose(order).tobytes()


def saved(arrays: Mapping[str, Array], *, old: bool = False) -> bytes:
    """What ``torch.save`` makes of a dictionary of tensors."""
    values = {n: tensor(str(i), a) for i, (n, a) in enumerate(arrays.items())}
    data = {str(i): in_memory_order(a) for i, a in enumerate(arrays.values())}
    if old:
        return old_form(values, data, [a.size for a in arrays.values()])
    return archive(values, data)
