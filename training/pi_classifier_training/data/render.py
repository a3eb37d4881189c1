"""Photos of drawn garden scenes, as one more data set to train and test with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pi_classifier.cameras.emulated.scenes import LABELS, Scene
from pi_classifier.setting import LARGEST_SEED, setting
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.progress import Progress

BACKGROUND = "background"
HEIGHT, WIDTH = 240, 320
JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """How many scenes of each flower and without any, and which."""

    per_label: int = setting(200, "scenes of each flower", minimum=0, maximum=1_000_000)
    background: int = setting(400, "scenes without any", minimum=0, maximum=1_000_000)
    seed: int = setting(1000, "which scenes", minimum=0, maximum=LARGEST_SEED)


def render_scenes(output_dir: Path, options: SceneOptions) -> int:
    """Draw scenes into one sub-folder per label and return how many.

    Each scene is drawn once, 320×240, at a random moment of its motion. The same
    options give the same photos. Raises DatasetError when the folder is not empty.
    """
    if output_dir.exists() and any(output_dir.iterdir()):
        raise DatasetError(f"{output_dir}: is not empty; name a new folder for the scenes")
    counts = dict.fromkeys(LABELS, options.per_label) | {BACKGROUND: options.background}
    with Progress("drawing scenes", sum(counts.values())) as progress:
        for i, (label, count) in enumerate(counts.items()):
            folder = output_dir / label
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                rng = np.random.default_rng((options.seed, i, number))
                scene = Scene.draw(label, rng)
                pixels = scene.render(HEIGHT, WIDTH, float(rng.uniform(0, 10)), rng)
                name = f"{label}-{options.seed}-{number:05}.jpg"
                Image.fromarray(pixels).save(folder / name, quality=JPEG_QUALITY)
                progress.step()
    return sum(counts.values())
