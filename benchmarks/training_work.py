"""What `benchmarks.training` measures in a process of its own; prints one JSON object."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from pi_classifier_training.data.dataset import labels_of, scan
from pi_classifier_training.features.bottlenecks import BottleneckCache
from pi_classifier_training.networks.network import Network, NetworkSpec, load_weights
from pi_classifier_training.retraining.options import RetrainOptions
from pi_classifier_training.retraining.retrain import retrain

READS = 5
ORIGINALS = 200


def bottlenecks(
    image_dir: Path, weights: str, spec: NetworkSpec, folder: Path
) -> dict[str, float]:
    """Seconds to compute the bottlenecks of all photos and their mirror images, and to read."""
    photos = scan([image_dir])
    network = Network(spec, labels_of(photos))
    load_weights(network.backbone, spec, weights)

    def taken_s() -> float:
        with BottleneckCache(folder / "cache") as cache:
            start_s = time.perf_counter()
            contents = cache.contents(photos)
            found = cache.features(network, "crop", photos, contents, mirrored=True, title="all")
            found.gather(np.arange(len(found)))
            return time.perf_counter() - start_s

    computed_s = taken_s()
    return {
        "photos": len(photos),
        "computed_s": computed_s,
        "read_s": median(taken_s() for _ in range(READS)),
    }


def memory(
    image_dir: Path, weights: str, spec: NetworkSpec, folder: Path, paths: int
) -> dict[str, float]:
    """The most memory, in MB, that training a head on so many paths needs."""
    _link(image_dir, folder / "photos", paths)
    options = RetrainOptions(
        network=spec,
        weights=weights,
        cache_dir=str(folder / "cache"),
    )
    retrain([folder / "photos"], folder / "run", options)
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}


def _link(image_dir: Path, folder: Path, paths: int) -> None:
    """Give each of a few photos so many names that there are `paths` in all."""
    photos = scan([image_dir])
    labels = labels_of(photos)
    for label in labels:
        (folder / label).mkdir(parents=True)
        own = [p for p in photos if p.label == label][: ORIGINALS // len(labels)]
        for number in range(paths // len(labels)):
            photo = own[number % len(own)]
            first = folder / label / f"{number % len(own)}-0{photo.path.suffix}"
            if number < len(own):
                shutil.copy(photo.path, first)
            else:
                name = f"{number % len(own)}-{number}{photo.path.suffix}"
                os.link(first, folder / label / name)


def main(words: list[str]) -> None:
    """Measure one part."""
    part, image_dir, weights, width, resolution, folder, *more = words
    spec = NetworkSpec("mobilenet_v1", float(width), int(resolution))
    if part == "memory":
        result = memory(Path(image_dir), weights, spec, Path(folder), int(more[0]))
    else:
        result = bottlenecks(Path(image_dir), weights, spec, Path(folder))
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
