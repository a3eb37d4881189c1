"""PyTorch files of weights (``torch.save(model.state_dict(), …)``), read without PyTorch.

Such a file is a pickle, and unpickling runs whatever a file names. Here its opcodes are followed
by a machine that knows arrays and containers and nothing else: no name in it is ever imported.
The format is that of torch.serialization: a ZIP archive since 1.6; before, pickles one behind the
other, then the arrays.
"""

from __future__ import annotations

import functools
import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.printable import printable
from pi_classifier.system.files import read_regular_file
from pi_classifier_training.errors import ExportError

LARGEST_BYTES = 1 << 30
MOST_OPCODES = 500_000
_ZIP = b"PK\x03\x04"
# What a file without an archive begins with, as torch.serialization has it.
_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
}
_CONTAINER = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"

Array = NDArray[Any]
# What Python's own readers raise at one point or another of a file that is none.
_DAMAGED = (
    ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError,
    zipfile.BadZipFile,
)  # fmt: skip


class _Refused(ValueError):
    """What a file of weights has no need of."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A function or class, by its name: ``torch FloatStorage``."""

    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    """Numbers that lie elsewhere in the file, by their key."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage: where it begins, sizes and strides in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: Path) -> dict[str, Array]:
    """The arrays of a PyTorch file of weights by name, in its order.

    They are views of the file's bytes. Raises ExportError for any other file, OSError.
    """
    data = read_regular_file(path, LARGEST_BYTES)
    try:
        read = _from_archive if data.startswith(_ZIP) else _from_pickles
        tensors, bytes_of = read(data)
        _require_room(tensors, len(data))
        return {name: _array(tensor, bytes_of(tensor.storage)) for name, tensor in tensors.items()}
    except _DAMAGED as error:
        why = f" ({error})" if isinstance(error, _Refused) else ""
        raise ExportError(
            f"{path}: is not a PyTorch file of weights, or damaged{why}; expected what "
            "torch.save(model.state_dict(), FILE) writes"
        ) from error


_Contents = tuple[Mapping[str, _Tensor], Callable[[_Storage], memoryview]]


def _from_archive(data: bytes) -> _Contents:
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = {entry.filename: entry for entry in archive.infolist()}
    (pickle,) = (name for name in entries if name.endswith("/data.pkl"))
    folder = pickle.removesuffix("data.pkl")

    @functools.cache
    def stored(name: str) -> bytes:
        if entries[name].compress_type != zipfile.ZIP_STORED:
            raise _Refused("its parts are compressed")
        return archive.read(entries[name])

    if f"{folder}byteorder" in entries and stored(f"{folder}byteorder") != b"little":
        raise _Refused("its numbers are big-endian")
    tensors = _tensors(_followed(io.BytesIO(stored(pickle))))
    return tensors, lambda storage: memoryview(stored(f"{folder}data/{storage.key}"))


def _from_pickles(data: bytes) -> _Contents:
    file = io.BytesIO(data)
    magic, _version, system, contents, keys = (_followed(file) for _ in range(5))
    if magic != _MAGIC or system.get("little_endian") is not True:
        raise _Refused("it begins with something else")
    if not all(isinstance(key, str) for key in keys):
        raise _Refused("its numbers have no names")
    tensors = _tensors(contents)
    sizes = {t.storage.key: np.dtype(t.storage.dtype).itemsize for t in tensors.values()}
    places: dict[str, memoryview] = {}
    position = file.tell()
    for key in keys:
        count = int.from_bytes(data[position : position + 8], "little")
        end = position + 8 + count * sizes[key]
        places[key] = memoryview(data)[position + 8 : end]
        position = end
    return tensors, lambda storage: places[storage.key]


def _tensors(contents: Any) -> dict[str, _Tensor]:
    if not isinstance(contents, dict) or not contents:
        raise _Refused("it holds no weights by name")
    for name, value in contents.items():
        if not isinstance(value, _Tensor):
            raise _Refused(f"{str(name)[:60]!r} in it is no array")
    return contents


def _require_room(tensors: Mapping[str, _Tensor], size_bytes: int) -> None:
    """One copy of each storage is read; all of them together lie in the file."""
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    claimed = sum(s.count * np.dtype(s.dtype).itemsize for s in storages.values())
    if claimed > size_bytes:
        raise _Refused("its arrays are larger than the file")


def _array(tensor: _Tensor, data: memoryview) -> Array:
    """NumPy checks that the view lies within the storage."""
    storage = tensor.storage
    dtype = np.dtype(storage.dtype)
    if len(data) != storage.count * dtype.itemsize:
        raise _Refused("an array in it is cut off")
    if math.prod(tensor.shape) > storage.count:
        raise _Refused("an array in it reaches beyond its numbers")
    strides = tuple(stride * dtype.itemsize for stride in tensor.strides)
    array: Array = np.ndarray(tensor.shape, dtype, data, tensor.offset * dtype.itemsize, strides)
    return array


def _followed(file: io.BytesIO) -> Any:
    """The value of the pickle that begins here; the file then stands behind it."""
    machine = _Machine()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if number > MOST_OPCODES:
            raise _Refused("it has too many parts")
        machine.follow(opcode.name, argument)
    return machine.stack.pop()


class _Machine:
    """A stack, marks and a memo, as pickles use them (pickletools)."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def follow(self, opcode: str, argument: Any) -> None:
        """Do what an opcode says, if it is one that weights need; raise _Refused otherwise."""
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _NEW:
            self.stack.append(_NEW[opcode]())
        elif opcode in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif opcode == "GLOBAL":
            self.stack.append(_Named(argument))
        elif opcode == "MARK":
            self._marks.append(len(self.stack))
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self)
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            raise _Refused(f"it has a step {opcode}, which weights do not need")

    def since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def close_tuple(self, count: int | None = None) -> None:
        items = self.since_mark() if count is None else [self.stack.pop() for _ in range(count)]
        self.stack.append(tuple(items if count is None else reversed(items)))

    def append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _Refused("it appends to what is no list")
        self.stack[-1].extend(items)

    def put(self, items: list[Any]) -> None:
        keys = items[::2]
        # Anything else might take for ever to be hashed.
        if not isinstance(self.stack[-1], dict) or not all(isinstance(k, str) for k in keys):
            raise _Refused("it has a dictionary of other things than names")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    def last(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def place(self) -> None:
        kind, storage, key, _device, count, *view = self.stack.pop()
        dtype = _TYPES.get(storage.name) if isinstance(storage, _Named) else None
        of_view = any(part is not None for part in view)
        if kind != "storage" or dtype is None or of_view or not isinstance(key, str):
            raise _Refused("it has numbers of a kind that is not known")
        self.stack.append(_Storage(key, dtype, _count(count)))

    def call(self) -> None:
        called, arguments = self.last(2)
        if called == _Named(_CONTAINER) and arguments == ():
            self.stack.append({})
            return
        if called != _Named(_TENSOR):
            name = called.name if isinstance(called, _Named) else "something"
            raise _Refused(f"it wants to call {printable(name, 80)}, which weights do not need")
        storage, offset, shape, strides = arguments[:4]
        if not isinstance(storage, _Storage) or len(shape) != len(strides):
            raise _Refused("an array in it has no numbers")
        sizes = tuple(map(_count, shape)), tuple(map(_count, strides))
        self.stack.append(_Tensor(storage, _count(offset), *sizes))

    def drop_state(self) -> None:
        """What PyTorch notes about versions beside the names."""
        self.stack.pop()


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _Refused("it has a size that is no count")
    return value


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE")
_NEW: Mapping[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip
_ACTIONS: Mapping[str, Callable[[_Machine], None]] = {
    "TUPLE": lambda m: m.close_tuple(),
    "TUPLE1": lambda m: m.close_tuple(1),
    "TUPLE2": lambda m: m.close_tuple(2),
    "TUPLE3": lambda m: m.close_tuple(3),
    "APPEND": lambda m: m.append(m.last(1)),
    "APPENDS": lambda m: m.append(m.since_mark()),
    "SETITEM": lambda m: m.put(m.last(2)),
    "SETITEMS": lambda m: m.put(m.since_mark()),
    "BINPERSID": lambda m: m.place(),
    "REDUCE": lambda m: m.call(),
    "BUILD": lambda m: m.drop_state(),
}
