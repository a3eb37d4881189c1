"""`pi-classifier cameras`: which cameras are here, and a picture from the chosen one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_classifier.errors import CameraUnavailable, ConfigError
from pi_classifier.printable import json_text, printable
from pi_classifier.setting import setting

if TYPE_CHECKING:
    from pi_classifier.cameras.discovery import DiscoveredCamera
    from pi_classifier.cameras.settings import CameraSettings
    from pi_classifier.commands.parser import Parser
    from pi_classifier.config.reading import Configuration
    from pi_classifier.types import Frame, Prediction

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
# Exposure and white balance need a few frames; what is played has none to lose.
_SETTLING_FRAMES = 5
_AS_RECORDED = ("emulated", "replay")
_MOST_MODES = 6


@dataclass(frozen=True, slots=True)
class CamerasOptions:
    """The command's own options."""

    snapshot: Path | None = setting(
        None,
        "save a picture from the chosen camera (.png or .jpg) and tell what it shows",
        metavar="FILE",
    )
    json: bool = setting(False, "print one JSON object per camera")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    from pi_classifier.commands.options import MODEL, SOURCE, add_setting_options
    from pi_classifier.config.options import add_options

    add_setting_options(command, MODEL, SOURCE)
    add_options(command, CamerasOptions)


def main(arguments: argparse.Namespace) -> int:
    """List the cameras, or take one picture; raises PiClassifierError."""
    from pi_classifier.commands.options import MODEL, SOURCE, effective
    from pi_classifier.config.options import read_options
    from pi_classifier.logs.handlers import setup_logging

    options = read_options(arguments, CamerasOptions)
    configuration = effective(arguments, MODEL, SOURCE)
    setup_logging("debug" if arguments.debug else "warning")
    if options.snapshot is not None:
        return _snapshot(configuration, options.snapshot, options.json)
    return _list(configuration, as_json=options.json)


def _list(configuration: Configuration, *, as_json: bool) -> int:
    from pi_classifier.cameras.discovery import discover_cameras, match_source

    settings = configuration.settings
    cameras = discover_cameras(settings.camera)
    looked_through = settings.watched
    chosen = [match_source(camera.source, cameras) for camera in looked_through]
    for camera in cameras:
        if as_json:
            more = {"available": camera.available, "chosen": camera in chosen}
            print(json_text(asdict(camera) | more))
        else:
            print(_as_text(camera))
    if not as_json:
        print()
        for one, is_here in zip(looked_through, chosen, strict=True):
            print(_chosen(one, configuration.sources))
            if is_here is not None and is_here.problem:
                print("It cannot be used now: see above.")
    return 0


def _chosen(settings: CameraSettings, sources: Mapping[str, str]) -> str:
    source = sources.get(f"cameras.{settings.name}.source")
    if source is not None:
        return printable(f"chosen: {settings.shown_source} as {settings.name} (says {source})")
    where = sources["camera.source"]
    why = "nothing else is configured" if where == "default" else f"says {where}"
    return f"chosen: {settings.shown_source} ({why}); another one: --camera SOURCE"


def _as_text(camera: DiscoveredCamera) -> str:
    lines = [f"{camera.select:<16} {camera.description}"]
    if camera.problem:
        lines[0] += ": not available"
        lines.append(camera.problem)
    if camera.use:
        lines.append(f"would use {camera.use}")
    if camera.modes:
        beyond = len(camera.modes) - _MOST_MODES
        more = f" and {beyond} more" if beyond > 0 else ""
        lines.append(f"modes: {', '.join(camera.modes[:_MOST_MODES])}{more}")
    return f"\n{'':17}".join(map(printable, lines))


def _snapshot(configuration: Configuration, path: Path, as_json: bool) -> int:
    """Save one frame and print what the model says of it."""
    from pi_classifier.commands.options import of_one_camera
    from pi_classifier.inference.classifier import open_classifier

    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(f"--snapshot {path}: expected a name ending in {', '.join(_KINDS)}")
    settings = of_one_camera(configuration.settings)
    with closing(open_classifier(settings.model)) as classifier:
        frame = _one_frame(settings.camera)
        prediction = classifier.classify(frame)
    _save(frame, path, kind)
    record = _record(path, frame, prediction)
    if as_json:
        print(json_text(record))
    else:
        labels = ", ".join(f"{top.label} {top.score:.2f}" for top in prediction.categories)
        size = f"{record['width']}x{record['height']}"
        print(f"{printable(str(path))}: {size}; {prediction.model} says {labels}")
    return 0


def _one_frame(settings: CameraSettings) -> Frame:
    from pi_classifier.service.build import open_camera

    name = settings.source.strip().partition(":")[0]
    count = 1 if name in _AS_RECORDED else _SETTLING_FRAMES
    # Nobody wants to wait a minute for a picture: the first fault is the answer.
    with closing(open_camera(replace(settings, recovery_s=0.0))) as camera:
        frames = list(islice(camera.frames(), count))
    if not frames:
        raise CameraUnavailable(f"camera {settings.shown_source}: gave no frame")
    return frames[-1]


def _save(frame: Frame, path: Path, kind: str) -> None:
    from PIL import Image

    from pi_classifier.system.files import replacing

    with replacing(path) as partial:
        Image.fromarray(frame.pixels).save(partial, kind, quality=95)


def _record(path: Path, frame: Frame, prediction: Prediction) -> dict[str, Any]:
    height, width, _ = frame.pixels.shape
    return {
        "snapshot": str(path),
        "width": width,
        "height": height,
        "model": prediction.model,
        "categories": [
            {"label": top.label, "score": round(top.score, 6)} for top in prediction.categories
        ],
    }
