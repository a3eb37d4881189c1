"""What a camera is asked to deliver; what no camera delivers is refused, never rounded."""

from __future__ import annotations

from dataclasses import dataclass

from pi_classifier.cameras.faults import parse_faults
from pi_classifier.errors import ConfigError
from pi_classifier.settings import setting

SMALLEST_SIDE = 16
LARGEST_SIDE = 8192
LOWEST_FPS = 0.1
HIGHEST_FPS = 240.0


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Which camera, and what it delivers; what a camera has no use for is ignored."""

    source: str = setting("pi", '"pi", "emulated" or "replay:FOLDER"')
    width: int = setting(
        640, "frame width in pixels, even", minimum=SMALLEST_SIDE, maximum=LARGEST_SIDE
    )
    height: int = setting(
        480, "frame height in pixels, even", minimum=SMALLEST_SIDE, maximum=LARGEST_SIDE
    )
    fps: float = setting(10.0, "frames per second", minimum=LOWEST_FPS, maximum=HIGHEST_FPS)
    timeout_s: float = setting(
        5.0, "without a frame for so long, the camera has failed", minimum=0.0
    )
    recovery_s: float = setting(
        60.0,
        "after a fault, try for so long to get the camera back before giving up (exit 75)",
        minimum=0.0,
    )
    realtime: bool = setting(
        True, "emulated, replay: deliver at the frame rate, not as fast as possible"
    )
    seed: int = setting(
        0, "emulated: what is shown; the same seed gives the same frames", minimum=0
    )
    faults: tuple[str, ...] = setting(
        (),
        "emulated: faults to order: stall@N, error@N, disappear@N, disappear@N:COUNT, hang@N, "
        "drop@N:COUNT, dark@N:COUNT",
    )
    hold_s: float = setting(1.0, "replay: each photo is shown for so long", minimum=0.0)
    loop: bool = setting(False, "replay: start again after the last photo")

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height)):
            if not SMALLEST_SIDE <= value <= LARGEST_SIDE or value % 2:
                raise ConfigError(
                    f"{name} = {value}: expected an even number of pixels from "
                    f"{SMALLEST_SIDE} to {LARGEST_SIDE}, such as 640 by 480"
                )
        if not LOWEST_FPS <= self.fps <= HIGHEST_FPS:
            raise ConfigError(
                f"fps = {self.fps:g}: expected frames per second "
                f"from {LOWEST_FPS:g} to {HIGHEST_FPS:g}"
            )
        parse_faults(self.faults)
