"""All that decides the result of a training, and whether a run folder already has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.features.row_store import Keys
from pi_classifier_training.retraining.run_folder import RUN_FILE, RunFolder

# To be counted up whenever training gives other weights for the same options.
TRAINING_VERSION = 4


def photos_id(photos: Sequence[Photo], contents: Keys) -> str:
    """SHA-256 over labels, names, splits and contents of all photos, wherever they lie."""
    digest = hashlib.sha256()
    for photo, content in zip(photos, contents, strict=True):
        digest.update(
            f"{photo.label}/{photo.name}/{photo.split}\0".encode("utf-8", "surrogateescape")
        )
        digest.update(content.ljust(32, b"\0"))
    return digest.hexdigest()


def recipe_id(entries: Mapping[str, Any]) -> str:
    """SHA-256 over JSON values that together decide the result."""
    text = json.dumps({"training": TRAINING_VERSION, **entries}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def finished(
    output_dir: Path, recipe: str, network: dict[str, Any], options: dict[str, Any]
) -> bool:
    """Whether the folder holds a finished run of this recipe.

    Raises TrainingError when it holds one of another, naming what differs from
    `network` and `options`.
    """
    if not (output_dir / RUN_FILE).exists():
        return False
    earlier = RunFolder(output_dir).summary()
    if earlier.get("recipe") == recipe:
        return True
    data = earlier.get("data")
    splits = {"splits": data.get("splits", {})} if isinstance(data, dict) else {}
    present = flat({**earlier.get("network", {}), **earlier.get("options", {}), **splits})
    wanted = flat({**network, **options})
    differing = [
        f"{k} {present[k]}, now {wanted[k]}"
        for k in wanted
        if present.get(k) != wanted[k] and k in present
    ]
    what = "; ".join(differing) or "the photos, the starting weights or the program have changed"
    raise TrainingError(
        f"{output_dir}: holds a finished run of other options ({what}); name another "
        "--output-dir, or replace it with --force"
    )


def flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name; those in groups as ``group.name``."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": element for inner, element in value.items()}
        else:
            flat[key] = value
    return flat
