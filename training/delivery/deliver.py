"""The end of a training run: every kind of model file, each evaluated as delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pi_classifier.preprocess import Preprocessor
from training.data.dataset import Images, decode, evenly_over_labels, scan
from training.delivery.export import KINDS, export
from training.delivery.model_card import ModelCard
from training.evaluation.evaluate import evaluate, portable
from training.evaluation.report_text import share
from training.files import write_json
from training.retraining.run_folder import RUN_FILE, RunFolder

# Full-integer ranges settle with a few dozen photos of every label.
CALIBRATION_PER_LABEL = 30


def deliver(run_dir: Path, image_dirs: Sequence[Path]) -> Iterator[str]:
    """Write ``float32.tflite`` and ``int8.tflite`` into `run_dir`; yield a line on each.

    Both are evaluated on the held-out photos by running the finished file through the
    daemon's classifier; the figures go into the file and into ``run.json``. The same
    run and photos give the same bytes.
    """
    run = RunFolder(run_dir)
    record = run.record()
    network = run.load()
    side, resize = network.spec.resolution, record["options"]["resize"]
    information = {
        "input": {"size": [side, side], "resize": resize, "channels": "RGB"},
        "training": {k: record[k] for k in ("data", "options", "seconds", "versions")},
    }
    calibration = _calibration(image_dirs, network.labels, Preprocessor((side, side), resize))
    evaluations = {}
    for kind in KINDS:
        path = run_dir / f"{kind}.tflite"
        contents = export(
            network,
            kind,
            ModelCard(**record["card"]),
            calibration,
            information,
            lambda trial: evaluate_each(trial, image_dirs),
            path,
        )
        evaluations[kind] = contents["evaluation"]
        size_kb = path.stat().st_size / 1000
        right = share(evaluations[kind], "top1")
        yield f"{path}: {size_kb:.0f} kB, {right} of held-out photos right"
    write_json(run_dir / RUN_FILE, record | {"evaluation": evaluations})


def _calibration(
    image_dirs: Sequence[Path], labels: Sequence[str], preprocessor: Preprocessor
) -> Images:
    """Training photos as the device sees them, drawn evenly over the labels."""
    photos = [p for p in scan(image_dirs) if p.split == "training"]
    chosen = evenly_over_labels([p.label for p in photos], CALIBRATION_PER_LABEL, seed=1)
    return decode([photos[i] for i in chosen], labels, preprocessor, preprocessor.size[0])


def evaluate_each(model: Path, image_dirs: Sequence[Path]) -> dict[str, Any]:
    """Figures on the held-out photos of the first folder; those of others beside them."""
    first, *others = (
        {"data": d.resolve().name, **evaluate(str(model), [d], "test")} for d in image_dirs
    )
    record = portable(first)
    if others:
        record["others"] = [
            {k: o[k] for k in ("data", "n", "top1", "top1_interval")} for o in others
        ]
    return record
