"""A garden drawn with numpy and Pillow: what is painted, by name.

`pixels` holds colors and noise, `painting` the brushes, `light` how a scene is lit and
photographed; `greens`, `composites` and `petals` paint plants, `grounds` and `surfaces`
what lies behind them or fills a frame alone.
"""

from __future__ import annotations

from pi_classifier.cameras.emulated.garden.composites import daisy, dandelion, sunflower
from pi_classifier.cameras.emulated.garden.greens import Painter
from pi_classifier.cameras.emulated.garden.grounds import (
    Ground,
    bark,
    foliage,
    grass,
    gravel,
    leaves,
    night,
    sky,
    soil,
    water,
)
from pi_classifier.cameras.emulated.garden.petals import rose, tulip
from pi_classifier.cameras.emulated.garden.surfaces import (
    blobs,
    path,
    plain,
    shadows,
    shoots,
    wall,
)

PAINTERS: dict[str, Painter] = {
    "daisy": daisy,
    "dandelion": dandelion,
    "roses": rose,
    "sunflowers": sunflower,
    "tulips": tulip,
}
"""The painter of each flower, by label."""

GROUNDS: dict[str, Ground] = {
    painter.__name__: painter
    for painter in (
        grass, soil, gravel, leaves, foliage, sky, wall, path, bark, water, night, plain, shadows,
        blobs, shoots,
    )
}  # fmt: skip
"""Every ground by name; all of them are drawn for frames without a flower."""

BEHIND_FLOWERS: tuple[tuple[str, float], ...] = (
    ("grass", 0.24), ("foliage", 0.30), ("leaves", 0.10), ("soil", 0.09), ("gravel", 0.03),
    ("sky", 0.09), ("wall", 0.04), ("path", 0.03), ("night", 0.05), ("plain", 0.03),
)  # fmt: skip
"""Grounds behind flowers, with the share that each gets."""
