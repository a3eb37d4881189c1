"""What a camera is asked to deliver; what no camera delivers is refused, never rounded."""

from __future__ import annotations

from dataclasses import dataclass

from pi_classifier.cameras.faults import parse_faults
from pi_classifier.errors import ConfigError
from pi_classifier.masking import masked_address
from pi_classifier.setting import setting

SMALLEST_SIDE = 16
LARGEST_SIDE = 8192
LOWEST_FPS = 0.1
HIGHEST_FPS = 240.0
SMALLEST_PART = 0.05
ROTATIONS = (0, 90, 180, 270)
Region = tuple[float, float, float, float]
"""Left, top, width and height of a part of a picture, as fractions of it."""
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)
# What the settings say of how a camera hangs, and what only the Raspberry Pi's own can be told.
OF_ORIENTATION = ("rotation", "hflip", "vflip", "roi")
OF_PI_CAMERAS = ("exposure_us", "gain", "white_balance", "focus", "controls")
# In the order libcamera numbers them (AwbModeEnum).
WHITE_BALANCES = (
    "auto",
    "incandescent",
    "tungsten",
    "fluorescent",
    "indoor",
    "daylight",
    "cloudy",
)

# What stands between the parts of cameras.name.key=value.
_SEPARATORS = ".="
_LONGEST_NAME = 40
NAME_EXPECTED = f"1 to {_LONGEST_NAME} visible characters, no dot and no equals sign among them"


def is_name(text: str) -> bool:
    """Whether a camera, or a region, may be called so: it is seen, and can be addressed."""
    return (
        text == text.strip()
        and 0 < len(text) <= _LONGEST_NAME
        and text.isprintable()
        and not any(separator in text for separator in _SEPARATORS)
    )


def shown_source(source: str) -> str:
    """Return a camera's source as it may be shown; a file's name is no address."""
    source = source.strip()
    is_file = source.startswith(("replay:", "imx500:", "/")) and "://" not in source
    return source if is_file else masked_address(source)


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Which camera, and what it delivers; what is set and a camera cannot do is refused."""

    source: str = setting(
        "pi",
        '"pi", "webcam", "emulated", "replay:FOLDER", "replay:VIDEO", "rtsp://…" or "http://…"; '
        "`pi-classifier cameras` lists what is here",
        option="--camera",
        option_doc="which camera: the name of one of [[cameras]], or a source such as pi, webcam, "
        "emulated, replay:FOLDER, replay:VIDEO, rtsp://… or http://…; `pi-classifier cameras` "
        "lists what is here",
        metavar="SOURCE",
        shown=shown_source,
    )
    name: str = setting("", "what the camera is called; of several each has a name of its own")
    width: int = setting(
        640, "frame width in pixels, even", minimum=SMALLEST_SIDE, maximum=LARGEST_SIDE
    )
    height: int = setting(
        480, "frame height in pixels, even", minimum=SMALLEST_SIDE, maximum=LARGEST_SIDE
    )
    fps: float = setting(
        10.0,
        "frames per second; live cameras that send more are thinned out",
        minimum=LOWEST_FPS,
        maximum=HIGHEST_FPS,
    )
    timeout_s: float = setting(
        5.0, "without a frame for so long, the camera has failed", minimum=0.0
    )
    recovery_s: float = setting(
        60.0,
        "after a fault, try for so long to get the camera back before giving up (exit 75)",
        minimum=0.0,
    )
    realtime: bool = setting(
        True,
        "emulated, replay: deliver at the frame rate, not as fast as possible",
        option="--fast",
        option_doc="emulated, replay: as fast as possible",
    )
    seed: int = setting(
        0, "emulated: what is shown; the same seed gives the same frames", minimum=0
    )
    faults: tuple[str, ...] = setting(
        (),
        "emulated: faults to order: stall@N, error@N, disappear@N, disappear@N:COUNT, hang@N, "
        "drop@N:COUNT, dark@N:COUNT",
    )
    rotation: int = setting(
        0, "turn the picture clockwise by 0, 90, 180 or 270 degrees", minimum=0, maximum=270
    )
    hflip: bool = setting(False, "mirror the picture left to right, before it is turned")
    vflip: bool = setting(False, "mirror the picture top to bottom, before it is turned")
    roi: Region = setting(
        WHOLE,
        "look at a part only: left, top, width, height as fractions of the picture, as it is "
        "seen once mirrored and turned",
    )
    exposure_us: int | None = setting(
        None,
        "pi: always this exposure time in microseconds, not an automatic one",
        minimum=1,
        maximum=1_000_000_000,
    )
    gain: float | None = setting(None, "pi: always this gain, not an automatic one", minimum=1.0)
    white_balance: str = setting("auto", "pi: colors as under this light", choices=WHITE_BALANCES)
    focus: str = setting(
        "auto",
        'pi: where the lens can move, "auto" follows what is seen; else the distance in dioptres '
        '(1 / meters): "0.5" is two meters, "0" is infinity',
    )
    controls: dict[str, str] = setting(
        {}, 'pi: further controls of libcamera by name, such as { Brightness = "0.1" }'
    )
    picture: bool = setting(
        False, "pi: also keep a picture of width by height for snapshots, at some cost"
    )
    hold_s: float = setting(1.0, "replay: each photo is shown for so long", minimum=0.0)
    loop: bool = setting(False, "replay: start again after the last photo or frame")

    @property
    def shown_source(self) -> str:
        """The source as it may be shown and logged: without name and password."""
        return shown_source(self.source)

    @property
    def shown(self) -> str:
        """The camera as a person knows it: its name if it has one, and its source."""
        return f"{self.name} ({self.shown_source})" if self.name else self.shown_source

    @property
    def title(self) -> str:
        """What a message about the camera begins with: "camera", or "camera garden"."""
        return f"camera {self.name}".strip()

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
        if self.rotation not in ROTATIONS:
            raise ConfigError(f"rotation = {self.rotation}: expected 0, 90, 180 or 270 degrees")
        if self.name and not is_name(self.name):
            raise ConfigError(f"name = {self.name!r}: expected {NAME_EXPECTED}")
        check_region(self.roi, "roi")
        parse_faults(self.faults)


def check_region(region: Region, name: str) -> None:
    """Raise ConfigError for a part that is not within the picture, or too small."""
    left, top, width, height = region
    inside = left >= 0 and top >= 0 and left + width <= 1.0001 and top + height <= 1.0001
    if not inside or min(width, height) < SMALLEST_PART:
        shown = ", ".join(f"{value:g}" for value in region)
        raise ConfigError(
            f"{name} = [{shown}]: expected left, top, width and height as fractions from 0 to 1 "
            f"within the picture, both sides at least {SMALLEST_PART:g}; "
            "[0.25, 0.25, 0.5, 0.5] is the middle"
        )
