"""Runs any graph in a runtime's plain interpreter: for measuring, not for frames."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import InferenceError
from pi_classifier.inference.interpreter import import_runtime
from pi_classifier.inference.native_stderr import captured_stderr
from pi_classifier.printable import printable

Values = NDArray[np.generic]


class GraphRun:
    """A graph that is ready to run, its inputs filled; a context, since it holds memory.

    `content` is a whole ``.tflite`` file, `values` are those of its inputs by number of the
    tensor, whose shapes the graph takes over. Without `xnnpack` the runtime's own kernels
    run. `keep_all` keeps what every operation makes, for `value`; it needs the memory of
    all tensors together, and XNNPACK keeps none of them. Raises `InferenceError` where the
    runtime refuses it.
    """

    def __init__(
        self,
        content: bytes,
        values: Mapping[int, Values],
        runtime: str = "auto",
        num_threads: int = 1,
        *,
        xnnpack: bool = True,
        keep_all: bool = False,
    ) -> None:
        _, module = import_runtime(runtime)
        kernels = module.OpResolverType
        with captured_stderr() as native:
            try:
                self._interpreter: Any = module.Interpreter(
                    model_content=content,
                    num_threads=num_threads,
                    experimental_op_resolver_type=kernels.AUTO
                    if xnnpack
                    else kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                    experimental_preserve_all_tensors=keep_all,
                )
                self._fill(values)
                self._interpreter.invoke()
            except (RuntimeError, ValueError) as error:
                reason = native.errors or str(error).strip().partition("\n")[0]
                raise InferenceError(f"the runtime refuses it: {printable(reason)}") from error
        self.invoke = self._interpreter.invoke
        """Run it once more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del self.invoke, self._interpreter

    def _fill(self, values: Mapping[int, Values]) -> None:
        for details in self._interpreter.get_input_details():
            value = values[details["index"]]
            if tuple(details["shape"]) != value.shape:
                self._interpreter.resize_tensor_input(details["index"], value.shape)
        self._interpreter.allocate_tensors()
        for details in self._interpreter.get_input_details():
            self._interpreter.set_tensor(details["index"], values[details["index"]])

    def value(self, tensor: int) -> Values:
        """What a tensor holds now, copied; of one between two operations only with `keep_all`."""
        found: Values = self._interpreter.get_tensor(tensor)
        return found
