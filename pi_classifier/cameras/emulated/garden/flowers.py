"""The painter of each flower, by label."""

from __future__ import annotations

from pi_classifier.cameras.emulated.garden.composites import daisy, dandelion, sunflower
from pi_classifier.cameras.emulated.garden.greens import Painter
from pi_classifier.cameras.emulated.garden.petals import rose, tulip

PAINTERS: dict[str, Painter] = {
    "daisy": daisy,
    "dandelion": dandelion,
    "roses": rose,
    "sunflowers": sunflower,
    "tulips": tulip,
}
