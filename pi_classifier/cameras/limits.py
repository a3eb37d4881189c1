"""Frame sizes and rates that cameras deliver; others are refused, never rounded."""

from __future__ import annotations

from pi_classifier.errors import ConfigError

SMALLEST_SIDE = 16
LARGEST_SIDE = 8192
LOWEST_FPS = 0.1
HIGHEST_FPS = 240.0


def check_size(width: int, height: int) -> None:
    """Raise ConfigError for a size, in pixels, that no camera delivers."""
    for name, value in (("width", width), ("height", height)):
        if not SMALLEST_SIDE <= value <= LARGEST_SIDE or value % 2:
            raise ConfigError(
                f"{name} = {value}: expected an even number of pixels from "
                f"{SMALLEST_SIDE} to {LARGEST_SIDE}, such as 640 by 480"
            )


def check_fps(fps: float) -> None:
    """Raise ConfigError for a frame rate that no camera delivers."""
    if not LOWEST_FPS <= fps <= HIGHEST_FPS:
        raise ConfigError(
            f"fps = {fps:g}: expected frames per second from {LOWEST_FPS:g} to {HIGHEST_FPS:g}"
        )
