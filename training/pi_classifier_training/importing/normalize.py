"""How an imported network wants its pixels: stated, known or seen, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pi_classifier.modelfile.picture_input import Channels, known_normalization
from pi_classifier.modelfile.tflite_graph import Graph, TensorSpec
from pi_classifier.modelfile.tflite_metadata import RAW_PIXELS, Normalization
from pi_classifier.setting import setting
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.original import Original


@dataclass(frozen=True, slots=True)
class Stated:
    """A normalization from the command line: one value or three of each."""

    mean: tuple[float, ...] = setting((), "subtracted from pixels")
    std: tuple[float, ...] = setting((), "then divided by")


def choose_normalization(
    source: Path,
    original: Original,
    graph: Graph,
    stated: Stated | None,
    channels: Channels = "rgb",
) -> tuple[Normalization, str]:
    """The normalization, of red, green, blue or one value, and where it comes from.

    In this order: as stated; as the file's metadata say; a normalization inside the
    graph; pixels as they are for a quantized input; as the program that wrote it is
    known to do. Raises ExportError where none of these is known.
    """
    if stated is not None:
        as_stated = known_normalization(None, channels, _checked(stated))
        return as_stated or RAW_PIXELS, "as stated"
    written = known_normalization(graph.metadata, channels, None)
    if written is not None:
        return _shortest(written.mean, written.std), "as its metadata say"
    if graph.input.spans_bytes:
        return whole_range(graph.input), f"over the whole range of its {graph.input.dtype} input"
    if original.takes_raw_pixels:
        return RAW_PIXELS, "the model normalizes them itself"
    if original.normalization is not None:
        return original.normalization, original.normalization_source
    raise ExportError(
        f"{source}: takes {graph.input.dtype} pixels, and nothing says how they were normalized "
        "when it was trained. State it: --mean 127.5 --std 127.5 for pixels from -1 to 1 "
        "(MobileNet, Inception, Teachable Machine), --mean 0 --std 255 for 0 to 1, --mean 0 "
        "--std 1 for 0 to 255, --mean 123.675 116.28 103.53 --std 58.395 57.12 57.375 for "
        "PyTorch's ImageNet models"
    )


def whole_range(spec: TensorSpec) -> Normalization:
    """The normalization that puts pixel 0 at the lowest stored value, 255 at the highest.

    Stored q stands for scale · (q − zero point), and pixel x for q = x + lowest.
    """
    lowest = 0 if spec.dtype == "uint8" else -128
    if spec.scale == 0:
        return RAW_PIXELS
    return Normalization((float(spec.zero_point - lowest),), (1 / spec.scale,))


def _checked(stated: Stated) -> Normalization:
    sizes = (len(stated.mean), len(stated.std))
    if sizes not in ((1, 1), (3, 3)):
        raise ExportError(
            f"--mean has {sizes[0]} and --std {sizes[1]} values; expected one of each, or three "
            "of each for red, green and blue"
        )
    if not all(value > 0 for value in stated.std):
        raise ExportError(f"--std is {stated.std}; expected numbers above 0")
    return _shortest(stated.mean, stated.std)


def _shortest(mean: tuple[float, ...], std: tuple[float, ...]) -> Normalization:
    """One value where all channels have the same: MediaPipe knows no others."""
    if len(set(mean)) == len(set(std)) == 1:
        return Normalization(mean[:1], std[:1])
    return Normalization(mean, std)
