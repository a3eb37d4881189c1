"""What a network will cost on a board, known before it is trained or converted.

Each family's work grows with the area of the picture, exactly, since every side is a
multiple of 32. So a few counts for each width say everything; they were read from
converted networks by `inspection.costs`, and a test converts some again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pi_classifier_training.inspection.estimates import Work, board_called, estimate
from pi_classifier_training.networks.imagenet import imagenet_top1
from pi_classifier_training.networks.spec import FAMILIES, NetworkSpec

# What a Pi may take for a picture, by the slow end of the estimate: 20 pictures a second.
USUAL_MS = 50.0
# These lose least, or nothing, as full-integer files.
ROBUST_FAMILIES = ("mobilenet_v1", "mobilenet_v2", "efficientnet_lite0")
# Labels, self-test, metadata and figures of a finished file; each label has its share.
_FILE_BYTES, _FILE_BYTES_A_LABEL = 12_000, 200
# The converted networks had so many labels.
_COUNTED_LABELS = 2


@dataclass(frozen=True, slots=True)
class _Counted:
    """A converted network: work for each 32×32 pixels and, whatever the picture, beside it.

    `bytes_float` and `bytes_int8` are those of the bare flatbuffer.
    """

    channels: int
    operations: int
    dense: float
    dense_beside: int
    depthwise: int
    steps: float
    steps_beside: int
    bytes_float: int
    bytes_int8: int


_SQUARE = 32 * 32
# fmt: off
_COUNTED: Mapping[tuple[str, float], _Counted] = {
    ("mobilenet_v1", 0.25): _Counted(256, 32, 743_424, 512, 88_704, 6_400, 2, 848_492, 290_184),
    ("mobilenet_v1", 0.5): _Counted(
        512, 32, 2_863_104, 1_024, 177_408, 6_656, 2, 3_252_748, 959_672),
    ("mobilenet_v1", 0.75): _Counted(
        768, 32, 6_359_040, 1_536, 266_112, 6_912, 2, 7_226_796, 2_021_608),
    ("mobilenet_v1", 1.0): _Counted(
        1_024, 32, 11_231_232, 2_048, 354_816, 7_168, 2, 12_770_636, 3_475_992),
    ("mobilenet_v2", 0.35): _Counted(
        1_280, 67, 1_008_256, 2_560, 175_536, 9_104, 2, 1_572_608, 606_392),
    ("mobilenet_v2", 0.5): _Counted(
        1_280, 67, 1_727_488, 2_560, 228_672, 9_888, 2, 2_722_272, 955_256),
    ("mobilenet_v2", 0.75): _Counted(
        1_280, 67, 3_883_776, 2_560, 356_832, 11_120, 2, 5_364_140, 1_728_264),
    ("mobilenet_v2", 1.0): _Counted(
        1_280, 67, 5_689_344, 2_560, 422_784, 11_840, 2, 8_811_192, 2_693_464),
    ("mobilenet_v2", 1.3): _Counted(
        1_664, 67, 9_805_312, 3_328, 556_128, 13_536, 2, 14_771_112, 4_323_864),
    ("mobilenet_v2", 1.4): _Counted(
        1_792, 67, 11_241_472, 3_584, 603_504, 14_112, 2, 17_135_112, 4_960_792),
    ("mobilenet_v3_small", 0.75): _Counted(
        432, 108, 720_640, 279_136, 129_456, 31_520, 1_818, 2_293_368, 794_200),
    ("mobilenet_v3_small", 1.0): _Counted(
        576, 108, 958_720, 459_904, 152_256, 35_744, 2_298, 3_699_448, 1_170_000),
    ("mobilenet_v3_large", 0.75): _Counted(
        720, 121, 2_765_056, 904_992, 325_872, 59_616, 3_146, 7_128_952, 2_087_700),
    ("mobilenet_v3_large", 1.0): _Counted(
        960, 121, 3_962_880, 1_509_120, 375_360, 70_944, 4_058, 11_839_080, 3_260_100),
    ("efficientnet_lite0", 1.0): _Counted(
        1_280, 63, 7_130_112, 2_560, 704_736, 11_712, 2, 13_370_632, 3_937_776),
    ("efficientnet_v2_b0", 1.0): _Counted(
        1_280, 269, 14_376_960, 1_033_984, 230_688, 238_528, 14_082, 23_230_216, 7_055_800),
    # Its strides are not padded: see _UNPADDED.
    ("inception_v3", 1.0): _Counted(
        2_048, 125, 65_413_500, 4_096, 0, 311_540, 2, 87_068_576, 22_283_672),
}
# fmt: on
# Inception v3 loses pixels at the edges: its work at each side, as a share of what the area says.
_UNPADDED: Mapping[int, float] = {128: 0.699, 160: 0.782, 192: 0.841, 224: 0.885, 299: 1.0}


@dataclass(frozen=True, slots=True)
class BoardCost:
    """What a network costs on a board: a range of milliseconds a picture, kB of its file.

    Whoever plans counts with `ms`, the slow end: a limit on it is kept if the estimate
    is right at all.
    """

    low_ms: float
    high_ms: float
    kb: float

    @property
    def ms(self) -> float:
        """The milliseconds to plan with."""
        return self.high_ms


def network_work(spec: NetworkSpec, kind: str = "int8", labels: int = _COUNTED_LABELS) -> Work:
    """The work of a network with a head for so many labels, as `inspect` counts its file."""
    counted = _COUNTED[spec.name, spec.width]
    squares = spec.resolution**2 / _SQUARE
    if spec.name == "inception_v3":
        squares *= _UNPADDED[spec.resolution]
    # A full-integer file begins and ends with a step for every number that comes in or goes out.
    quantized = kind == "int8"
    return Work(
        counted.dense * squares
        + counted.dense_beside
        + (labels - _COUNTED_LABELS) * counted.channels,
        counted.depthwise * squares,
        counted.steps * squares
        + counted.steps_beside
        + (labels - _COUNTED_LABELS)
        + (3 * spec.resolution**2 + labels if quantized else 0),
        counted.operations + (2 if quantized else 0),
    )


def board_cost(spec: NetworkSpec, board: str, kind: str = "int8", labels: int = 2) -> BoardCost:
    """What a network costs on the board called `board`, as a file of `kind`.

    `kind` is ``int8`` or ``float32``. No network is built: it takes microseconds. Raises
    KeyError for a board that there is not.
    """
    times = estimate(network_work(spec, kind, labels), kind, board_called(board))
    return BoardCost(times.low_ms, times.high_ms, _file_bytes(spec, kind, labels) / 1000)


def network_for(board: str) -> NetworkSpec:
    """The best network on ImageNet, as published, that takes no longer than `USUAL_MS` there.

    Only of the families that lose least as full-integer files. Raises KeyError for a board
    that there is not.
    """
    specs = [
        NetworkSpec(name, width, resolution)
        for name in ROBUST_FAMILIES
        for width in FAMILIES[name].widths
        for resolution in FAMILIES[name].resolutions
    ]
    costs = {spec: board_cost(spec, board).ms for spec in specs}
    fitting = [spec for spec in specs if costs[spec] <= USUAL_MS]
    return max(fitting, key=lambda spec: (imagenet_top1(spec), -costs[spec]))


def _file_bytes(spec: NetworkSpec, kind: str, labels: int) -> float:
    counted = _COUNTED[spec.name, spec.width]
    weight, bare = (1, counted.bytes_int8) if kind == "int8" else (4, counted.bytes_float)
    head = (labels - _COUNTED_LABELS) * counted.channels * weight
    return bare + head + _FILE_BYTES + labels * _FILE_BYTES_A_LABEL
