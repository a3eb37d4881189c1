"""The pictures all processors are shown: drawn once, here, so that all see the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras import CameraSettings, open_camera

Pictures = NDArray[np.uint8]

# At ten frames a second a flower is seen for about two seconds, empty ground for one.
_EVERY = 8
_SEED = 20_000
_COLORS = ((0, 200, 200), (200, 0, 200), (200, 200, 0), (120, 120, 120))


def garden(count: int, folder: Path) -> Path:
    """A file of `count` frames uint8 ``[count, 240, 320, 3]`` of the emulated garden."""
    return _kept(folder / f"garden-{count}.npy", lambda: _garden(count))


def patches(count: int, folder: Path) -> Path:
    """A file of `count` pictures uint8 ``[count, 16, 16, 3]`` for the tests' tiny models.

    Blends of two of the colors they know, so that their scores are not all 0 or 1.
    """
    return _kept(folder / f"patches-{count}.npy", lambda: _patches(count))


def _kept(path: Path, draw: Callable[[], Pictures]) -> Path:
    if not path.exists():
        scratch = path.with_suffix(f".{os.getpid()}.tmp.npy")
        np.save(scratch, draw())
        scratch.replace(path)
    return path


def _garden(count: int) -> Pictures:
    settings = CameraSettings(source="emulated", width=320, height=240, seed=_SEED, realtime=False)
    camera = open_camera(settings)
    chosen = [frame.pixels for frame in islice(camera.frames(), 0, count * _EVERY, _EVERY)]
    camera.close()
    return np.stack(chosen)


def _patches(count: int) -> Pictures:
    rng = np.random.default_rng(_SEED)
    colors = np.array(_COLORS, np.float64)
    pairs = rng.integers(0, len(colors), (count, 2))
    share = rng.uniform(size=(count, 1))
    blend = share * colors[pairs[:, 0]] + (1 - share) * colors[pairs[:, 1]]
    noise = rng.normal(0, 30, (count, 16, 16, 3))
    return np.clip(np.rint(blend[:, None, None] + noise), 0, 255).astype(np.uint8)
