"""Which networks there are: their families, widths, resolutions and normalization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pi_classifier.setting import setting
from pi_classifier_training.errors import TrainingError

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Family:
    """What a family of networks may be asked for, and what pixels it was published for.

    Pixels are normalized inside the graph: ``(pixel - mean) / std`` for red, green, blue.
    `resolutions` are input sides in pixels; the last one is what the weights were
    published for, or the largest of those.
    """

    widths: tuple[float, ...]
    resolutions: tuple[int, ...]
    mean: Triple = (127.5, 127.5, 127.5)
    std: Triple = (127.5, 127.5, 127.5)


# Every side is a multiple of 32, so that it is even at every stride.
_GRID = (96, 128, 160, 192, 224)
FAMILIES: Mapping[str, Family] = {
    "mobilenet_v1": Family((0.25, 0.5, 0.75, 1.0), _GRID),
    "mobilenet_v2": Family((0.35, 0.5, 0.75, 1.0, 1.3, 1.4), _GRID),
    "mobilenet_v3_small": Family((0.75, 1.0), _GRID),
    "mobilenet_v3_large": Family((0.75, 1.0), _GRID),
    "efficientnet_lite0": Family(
        (1.0,), _GRID, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)
    ),
    # ImageNet's own mean and standard deviation, as EfficientNet's authors used them.
    "efficientnet_v2_b0": Family(
        (1.0,),
        _GRID,
        mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
        std=(0.229 * 255, 0.224 * 255, 0.225 * 255),
    ),
    # No padding at its strides: the side need not be even.
    "inception_v3": Family((1.0,), (128, 160, 192, 224, 299)),
}
NETWORKS = tuple(FAMILIES)
# In place of a name: chosen by what the board computes in time.
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Which network: its family, width multiplier and input side in pixels.

    Raises TrainingError for one that there is not.
    """

    name: str = setting(
        "mobilenet_v1",
        f"{', '.join(NETWORKS)}, or auto: what fits the --board (default: mobilenet_v1)",
        choices=(*NETWORKS, AUTO),
        option="--network",
        metavar="NAME",
    )
    width: float = setting(
        0.25, "width multiplier (default: the network's smallest)", above=0, maximum=10
    )
    resolution: int = setting(
        224,
        "input side in pixels (default: 224; 299 for inception_v3)",
        minimum=1,
        metavar="SIDE",
        maximum=4_096,
    )

    def __post_init__(self) -> None:
        if self.name not in FAMILIES:
            raise TrainingError(f"network {self.name!r} is not one of {', '.join(NETWORKS)}")
        if self.width not in self.family.widths:
            raise TrainingError(
                f"width {self.width} of {self.name} is not {_one_of(self.family.widths)}"
            )
        if self.resolution not in self.family.resolutions:
            raise TrainingError(
                f"resolution {self.resolution} of {self.name} is not "
                f"{_one_of(self.family.resolutions)}"
            )

    @property
    def family(self) -> Family:
        """What is common to all networks of this name."""
        return FAMILIES[self.name]

    @property
    def title(self) -> str:
        """How people are told of it: ``mobilenet_v1 0.25/128``."""
        return f"{self.name} {self.width:g}/{self.resolution}"

    def as_dict(self) -> dict[str, Any]:
        """The specification as it stands in a model file."""
        return asdict(self)


def network_spec(
    name: str = "mobilenet_v1", width: float | None = None, resolution: int | None = None
) -> NetworkSpec:
    """The network called `name`; what is left out is chosen for it.

    The width is then the family's smallest, the resolution that its weights were published
    for: a larger picture costs time, but not a byte. Raises TrainingError for a network that
    there is not.
    """
    if name not in FAMILIES:
        return NetworkSpec(name)
    family = FAMILIES[name]
    return NetworkSpec(
        name,
        family.widths[0] if width is None else width,
        family.resolutions[-1] if resolution is None else resolution,
    )


def _one_of(values: tuple[float, ...]) -> str:
    listed = ", ".join(map(str, values))
    return f"one of {listed}" if len(values) > 1 else listed
