"""How alike two photos are, from small gray pictures of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# The side of the small gray picture that two photos are compared by.
GRAY_SIDE = 32


def correlation(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """How alike two small pictures are, whatever their brightness and contrast; 1 is equal."""
    x = a.astype(np.float64).ravel() - a.mean()
    y = b.astype(np.float64).ravel() - b.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y) + 1e-9))
