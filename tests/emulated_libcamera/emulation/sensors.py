"""Sensors and their modes, as Raspberry Pi's kernel and libcamera list them.

Sizes, crops and rates: `rpicam-hello --list-cameras` in Raspberry Pi's camera documentation
and the kernel's drivers (drivers/media/i2c of rpi-6.6.y).
"""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[int, int, int, int]
WidthHeight = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SensorMode:
    """One readout of a sensor: what comes out, from which part of the pixels, how fast."""

    size: WidthHeight
    bit_depth: int
    crop: Box
    fps: float


@dataclass(frozen=True, slots=True)
class SensorModel:
    """A sensor as a kind of hardware."""

    name: str
    pixel_array: WidthHeight
    modes: tuple[SensorMode, ...]
    address: str
    bayer: str = "RGGB"
    autofocus: bool = False
    thermometer: bool = False
    rotation: int = 180

    def raw_sizes(self) -> dict[str, list[WidthHeight]]:
        """The sizes by raw format, as a raw stream lists them."""
        sizes: dict[str, list[WidthHeight]] = {}
        for mode in self.modes:
            name = (
                f"R{mode.bit_depth}"
                if self.bayer == "MONO"
                else f"S{self.bayer}{mode.bit_depth}_CSI2P"
            )
            sizes.setdefault(name, []).append(mode.size)
        return sizes

    def mode_for(self, size: WidthHeight, bit_depth: int | None) -> SensorMode:
        """The mode that delivers `size`; the largest where none does."""
        exact = [mode for mode in self.modes if mode.size == size]
        deep = [mode for mode in exact if bit_depth in (None, mode.bit_depth)]
        return next(iter(deep or exact), max(self.modes, key=lambda mode: mode.size))


def _modes(*rows: tuple[WidthHeight, int, Box, float]) -> tuple[SensorMode, ...]:
    return tuple(SensorMode(*row) for row in rows)


SENSORS = {
    model.name: model
    for model in (
        SensorModel(
            "imx219",
            (3280, 2464),
            _modes(
                ((640, 480), 10, (1000, 752, 1280, 960), 206.65),
                ((1640, 1232), 10, (0, 0, 3280, 2464), 83.7),
                ((1920, 1080), 10, (680, 692, 1920, 1080), 47.57),
                ((3280, 2464), 10, (0, 0, 3280, 2464), 21.19),
                ((640, 480), 8, (1000, 752, 1280, 960), 206.65),
                ((1640, 1232), 8, (0, 0, 3280, 2464), 83.7),
                ((1920, 1080), 8, (680, 692, 1920, 1080), 47.57),
                ((3280, 2464), 8, (0, 0, 3280, 2464), 21.19),
            ),
            "i2c@1/imx219@10",
            bayer="BGGR",
        ),
        SensorModel(
            "imx708",
            (4608, 2592),
            _modes(
                ((1536, 864), 10, (768, 432, 3072, 1728), 120.13),
                ((2304, 1296), 10, (0, 0, 4608, 2592), 56.03),
                ((4608, 2592), 10, (0, 0, 4608, 2592), 14.35),
            ),
            "i2c@1/imx708@1a",
            bayer="BGGR",
            autofocus=True,
            thermometer=True,
        ),
        SensorModel(
            "imx477",
            (4056, 3040),
            _modes(
                ((1332, 990), 10, (696, 528, 2664, 1980), 120.05),
                ((2028, 1080), 12, (0, 440, 4056, 2160), 50.03),
                ((2028, 1520), 12, (0, 0, 4056, 3040), 40.01),
                ((4056, 3040), 12, (0, 0, 4056, 3040), 10.0),
            ),
            "i2c@1/imx477@1a",
            thermometer=True,
        ),
        SensorModel(
            "imx296",
            (1456, 1088),
            _modes(((1456, 1088), 10, (0, 0, 1456, 1088), 60.38)),
            "i2c@1/imx296@1a",
        ),
        SensorModel(
            "ov5647",
            (2592, 1944),
            _modes(
                ((640, 480), 10, (16, 0, 2560, 1920), 58.92),
                ((1296, 972), 10, (0, 0, 2592, 1944), 46.34),
                ((1920, 1080), 10, (348, 434, 1928, 1080), 32.81),
                ((2592, 1944), 10, (0, 0, 2592, 1944), 15.63),
            ),
            "i2c@1/ov5647@36",
            bayer="GBRG",
            rotation=0,
        ),
        SensorModel(
            "imx500",
            (4056, 3040),
            _modes(
                ((2028, 1520), 10, (0, 0, 4056, 3040), 30.02),
                ((4056, 3040), 10, (0, 0, 4056, 3040), 10.0),
            ),
            "i2c@1/imx500@1a",
            thermometer=True,
        ),
        SensorModel(
            "ov64x40",  # of no table: a sensor that nobody here has heard of
            (9248, 6944),
            _modes(
                ((1920, 1080), 10, (2704, 2392, 3840, 2160), 60.0),
                ((4624, 3472), 10, (0, 0, 9248, 6944), 10.0),
                ((9248, 6944), 10, (0, 0, 9248, 6944), 2.7),
            ),
            "i2c@1/ov64x40@36",
        ),
    )
}
