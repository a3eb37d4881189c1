"""`pi-classifier cameras`: the cameras to choose from."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from pi_classifier.cameras import list_cameras


def main(arguments: argparse.Namespace) -> int:
    """Print what `--camera` takes."""
    for camera in list_cameras():
        if arguments.json:
            print(json.dumps(asdict(camera), ensure_ascii=False))
        else:
            absent = "" if camera.available else " (not available here)"
            print(f"{camera.select:<15} {camera.description}{absent}")
    return 0
