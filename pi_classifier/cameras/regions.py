"""Regions of interest: parts of the picture by name, each looked at as a camera of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.settings import WHOLE, CameraSettings, Region, check_region
from pi_classifier.setting import setting
from pi_classifier.types import Frame


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """One part of the picture: its name, where it is, and what is announced of it, and when."""

    name: str = setting("", "what log, JSON and speech call it, such as feeder")
    box: Region = setting(
        WHOLE,
        "left, top, width and height as fractions of the picture, such as [0, 0.5, 0.3, 0.5]",
    )
    labels: tuple[str, ...] = setting((), "only these are announced; empty: all")
    threshold_high: float | None = setting(
        None, "instead of decision.threshold_high", minimum=0.0, maximum=1.0
    )
    threshold_low: float | None = setting(
        None, "instead of decision.threshold_low", minimum=0.0, maximum=1.0
    )
    patience: int | None = setting(None, "instead of decision.patience", minimum=1)

    def __post_init__(self) -> None:
        check_region(self.box, "box")

    @property
    def rules(self) -> dict[str, Any]:
        """The rules of deciding that it has for itself."""
        own = {
            "threshold_high": self.threshold_high,
            "threshold_low": self.threshold_low,
            "patience": self.patience,
        }
        return {name: value for name, value in own.items() if value is not None}


def in_regions(frames: Iterable[Frame], regions: Sequence[RegionSettings]) -> Iterator[Frame]:
    """Yield of every frame its regions, in their order, as frames of cameras with their names."""
    cuts = [(region.name, Orientation(region=region.box)) for region in regions]
    for frame in frames:
        for name, cut in cuts:
            yield replace(frame, pixels=cut(frame.pixels), camera=name)


def sizes_asked_for(
    camera: CameraSettings, regions: Sequence[RegionSettings]
) -> Iterator[tuple[int, int]]:
    """Yield height and width of what is looked at of a frame of the size that is asked for."""
    turned = camera.rotation % 180 != 0
    shape = (camera.width, camera.height) if turned else (camera.height, camera.width)
    frames = [Frame(np.zeros((*shape, 3), np.uint8), 0, 0)]
    for part in in_regions(frames, regions) if regions else frames:
        yield part.pixels.shape[0], part.pixels.shape[1]
