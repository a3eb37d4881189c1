"""The end of a training run: every kind of model file, each evaluated as delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.evaluate import evaluate
from training.export import KINDS, ModelCard, export
from training.report_text import share
from training.retrain import Prepared, RetrainOptions
from training.run_folder import RunFolder, write_json
from training.trainer import Network


def deliver(
    network: Network,
    prepared: Prepared,
    options: RetrainOptions,
    card: ModelCard,
    image_dirs: Sequence[Path],
    output_dir: Path,
) -> Iterator[str]:
    """Write ``float32.tflite`` and ``int8.tflite`` into `output_dir`; yield a line on each.

    Both are evaluated on the held-out photos by running the finished file through the
    daemon's classifier; the figures go into the file and into ``run.json``.
    """
    run = RunFolder(output_dir)
    record = run.record()
    information = {
        "input": {
            "size": [network.spec.resolution] * 2,
            "resize": options.resize,
            "channels": "RGB",
        },
        "training": {k: record[k] for k in ("data", "options", "seconds", "versions")},
    }
    for kind in KINDS:
        path = output_dir / f"{kind}.tflite"
        contents = export(
            network,
            kind,
            card,
            prepared.training,
            information,
            lambda trial: evaluate_each(trial, image_dirs),
            path,
        )
        evaluation = contents["evaluation"]
        record.setdefault("evaluation", {})[kind] = evaluation
        write_json(output_dir / "run.json", record)
        size_kb = path.stat().st_size / 1000
        yield f"{path}: {size_kb:.0f} kB, {share(evaluation, 'top1')} of held-out photos right"


def evaluate_each(model: Path, image_dirs: Sequence[Path]) -> dict[str, Any]:
    """Figures on the held-out photos of the first folder; those of others beside them."""
    first, *others = (
        {"data": d.resolve().name, **evaluate(str(model), [d], "test")} for d in image_dirs
    )
    record = {k: v for k, v in first.items() if k not in ("model", "latency_ms")}
    if others:
        record["others"] = [
            {k: o[k] for k in ("data", "n", "top1", "top1_interval")} for o in others
        ]
    return record
