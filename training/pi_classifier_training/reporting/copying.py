"""The lines that bring a model to the Raspberry Pi, ready to be copied and pasted."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from pi_classifier.decision import SmootherSettings
from pi_classifier.inference import sensor_classifier
from pi_classifier.modelfile.locate import taken_names

BOARD = "pi@raspberrypi.local"
MODELS_DIR = "/var/lib/pi-classifier/models"


@dataclass(frozen=True, slots=True)
class CopyLines:
    """Commands and settings in the order they are needed.

    `send` is typed on this computer, `attempt` on the Pi to see whether it works, `keep` on the
    Pi to make it stay; `settings` go into the configuration there.
    """

    send: str
    attempt: str
    keep: str
    settings: str


def copy_lines(model: Path, name: str, threshold: float | None = None) -> CopyLines:
    """The lines for a model file or a cascade's folder, which is called `name` on the Pi.

    `threshold` is the score from which it should announce, None for the usual one.
    """
    own = _file_name(name)
    source = shlex.quote(str(model))
    settings = f"[model]\npath = {json.dumps(own)}\n"
    if threshold is not None and threshold != SmootherSettings().threshold_high:
        settings += f"\n[decision]\nthreshold_high = {threshold:g}\n"
        if threshold < SmootherSettings().threshold_low:
            settings += f"threshold_low = {threshold:g}\n"
    if model.is_dir():
        # What is left of an earlier model of this name would be opened instead.
        keep = (
            f"sudo mkdir -p {MODELS_DIR}\n"
            f"sudo rm -rf {MODELS_DIR}/{own} {MODELS_DIR}/{own}.tflite\n"
            f"sudo cp -rT {own} {MODELS_DIR}/{own}"
        )
        # Into a folder of this name that is there already, scp would put the new one.
        send = f"ssh {BOARD} rm -rf {own} && scp -r {source} {BOARD}:{own}"
        return CopyLines(send, f"pi-classifier run --model ./{own}", keep, settings)
    return CopyLines(
        f"scp {source} {BOARD}:{own}.tflite",
        f"pi-classifier run --model ./{own}.tflite",
        f"sudo install -D -m 644 {own}.tflite {MODELS_DIR}/{own}.tflite",
        settings,
    )


def _file_name(name: str) -> str:
    """A name that needs no quotes in a shell, a configuration or an address, and is free."""
    own = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_") or "model"
    # By such a name the daemon would go on with its own model.
    return f"my-{own}" if own in {*taken_names(), sensor_classifier.NAME} else own
