"""Where it is all tried: which Debian, runtime and processor; and the models it is tried with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .emulation import REPOSITORY, Emulation
from .machines import PROCESSORS, Processor
from .userlands import FOLDER, Userland

SHARED = FOLDER / "shared"
BOOKWORM = Userland("bookworm", "3.11")
TRIXIE = Userland("trixie", "3.13")
# tflite-runtime's wheels need numpy 1.
OLDER_RUNTIME = Userland(
    "bookworm", "3.11", extras=("tflite-runtime==2.14.0", "numpy<2"), label="tflite"
)
BITS_32 = Userland("bookworm", "3.11", "armhf")

SHIPPED = tuple(REPOSITORY / f"models/flowers/{name}.tflite" for name in ("fast", "accurate"))
ROUNDED = REPOSITORY / "models/flowers/fast-rounded.tflite"
TINY = tuple(
    REPOSITORY / f"tests/data/{name}.tflite"
    for name in ("float32", "uint8", "int8", "dynamic", "normalized", "logits")
)


@dataclass(frozen=True, slots=True)
class Place:
    """One Debian with one runtime on one processor."""

    userland: Userland
    processor: Processor
    runtime: str = "litert"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.userland.name} on {self.processor.name}, {self.runtime}"

    def emulation(self, shared: Path = SHARED) -> Emulation:
        """Its root, made if need be, on its processor. Raises EmulationError."""
        return Emulation(self.userland.made(), self.processor, shared, self.userland.environment)


def _places() -> tuple[Place, ...]:
    places = []
    for processor in PROCESSORS:
        if processor.architecture == "armhf":
            places.append(Place(BITS_32, processor, "tflite"))
        else:
            places.append(Place(BOOKWORM, processor))
        if processor.boards and processor.name in ("cortex-a53", "cortex-a76"):
            places.append(Place(TRIXIE, processor))
            places.append(Place(OLDER_RUNTIME, processor, "tflite"))
    return tuple(places)


PLACES = _places()
