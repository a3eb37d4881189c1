"""The state of a training that may be killed at any moment, in one file written whole."""

from __future__ import annotations

import io
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.system.files import write_atomic

log = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """Lists of arrays by name, and any JSON values."""

    arrays: dict[str, list[NDArray[Any]]]
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file in a run folder that an unfinished training goes on from.

    `recipe` stands for all that decides the result; a file of another recipe is not used.
    """

    path: Path
    recipe: str

    def save(self, arrays: Mapping[str, Sequence[NDArray[Any]]], state: dict[str, Any]) -> None:
        """Write the state in one piece, over the one before."""
        named = {
            f"{name}/{number}": array
            for name, group in arrays.items()
            for number, array in enumerate(group)
        }
        header = json.dumps({"recipe": self.recipe, "names": list(arrays), "state": state})
        buffer = io.BytesIO()
        np.savez(buffer, header=np.frombuffer(header.encode(), np.uint8), **named)  # type: ignore[arg-type]
        write_atomic(self.path, buffer.getvalue())

    def load(self) -> Saved | None:
        """Read the state; None where there is none of this recipe."""
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes())
                if header["recipe"] != self.recipe:
                    log.warning("%s: belongs to other options or photos; starting over", self.path)
                    return None
                groups: dict[str, list[NDArray[Any]]] = defaultdict(list)
                for name in header["names"]:
                    while f"{name}/{len(groups[name])}" in file:
                        groups[name].append(file[f"{name}/{len(groups[name])}"])
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001  a damaged file: what zipfile and numpy raise
            log.warning("%s: cannot be read (%s); starting over", self.path, error)
            return None
        return Saved(groups, header["state"])

    def remove(self) -> None:
        """Remove the file: the training is complete."""
        self.path.unlink(missing_ok=True)
