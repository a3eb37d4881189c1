"""Every ground by name, and which of them lie behind flowers."""

from __future__ import annotations

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
from pi_classifier.cameras.emulated.garden.surfaces import (
    blobs,
    path,
    plain,
    shadows,
    shoots,
    wall,
)

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
"""Grounds behind flowers, with the share each gets."""
