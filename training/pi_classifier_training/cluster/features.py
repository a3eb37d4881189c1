"""Features computed by all nodes of a cluster, through Ray Data."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import ray
import ray.data

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import read_photo
from pi_classifier.preprocessing.preprocessor import Preprocessor, Resize
from pi_classifier_training.cluster.connection import Cluster
from pi_classifier_training.cluster.depot import opened_depot, photo_bytes
from pi_classifier_training.errors import ClusterError
from pi_classifier_training.features.computing import (
    Computed,
    Work,
    embedding,
    read_batch,
    views_of,
)
from pi_classifier_training.networks.network import Network

_MOST_BLOCKS = 1000


class ComputedByCluster:
    """Features computed by workers on every node, each with a network of its own.

    Photos come in the batches in which one machine computes them, so that the numbers are
    the same. A batch whose node dies is computed by another.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __call__(self, work: Work) -> Iterator[Computed]:
        """Yield batch by batch, as they are done."""
        batches = [
            {
                "numbers": numbers.tolist(),
                "paths": [work.photos[n].path_text for n in numbers.tolist()],
                "keys": [work.keys[n].ljust(32, b"\0") for n in numbers.tolist()],
            }
            for numbers in work.batches()
        ]
        if not batches:
            return
        _be_quiet()
        network = work.network
        weights = ray.put(network.backbone.get_weights())
        depot = opened_depot(self._cluster, None)
        made = ray.data.from_items(
            batches, override_num_blocks=min(len(batches), _MOST_BLOCKS)
        ).map_batches(
            _Worker,
            fn_constructor_args=(network.spec, weights, work.resize, work.views, depot),
            batch_size=1,
            num_cpus=self._cluster.processors,
            concurrency=(1, min(len(batches), self._cluster.slots)),
        )
        try:
            for row in made.iter_rows():
                kept = np.frombuffer(row["kept"], np.int64)
                features = np.frombuffer(row["features"], np.float32)
                work.failed.update(zip(row["failed"], row["reasons"], strict=True))
                yield kept, list(features.reshape(work.views, len(kept), -1))
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines() or [repr(error)]
            raise ClusterError(
                f"features cannot be computed on the cluster ({lines[-1]})"
            ) from error
        finally:
            ray.kill(depot)


class _Worker:
    """Computes batches on a node."""

    def __init__(self, spec: Any, weights: Any, resize: Resize, views: int, depot: Any) -> None:
        use_own_processors()
        # A head is no part of this.
        network = Network(spec, ("any", "other"))
        network.backbone.set_weights(ray.get(weights))
        self._embed = embedding(network)
        self._preprocessor = Preprocessor((spec.resolution,) * 2, resize)
        self._views, self._depot = views, depot

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        numbers, paths, keys = (list(batch[name][0]) for name in ("numbers", "paths", "keys"))
        place = {number: i for i, number in enumerate(numbers)}
        files = photo_bytes(self._depot, paths, keys)
        failed: dict[int, str] = {}

        def load(number: int) -> Any:
            path, data = paths[place[number]], files[place[number]]
            if not data:
                raise ImageError(f"{path}: has changed meanwhile, or cannot be read any more")
            try:
                return read_photo(io.BytesIO(data))
            except ImageError as error:
                raise ImageError(f"{path}: {error}") from error

        kept, pixels = read_batch(np.array(numbers, np.int64), load, self._preprocessor, failed)
        features = np.stack(views_of(self._embed, pixels, len(kept), self._views))
        return {
            "kept": [kept.tobytes()],
            "features": [np.ascontiguousarray(features).tobytes()],
            "failed": [list(failed)],
            "reasons": [list(failed.values())],
        }


def use_own_processors() -> None:
    """Keep TensorFlow, not started yet in this process, to the processors Ray has given it."""
    given = os.environ.get("OMP_NUM_THREADS", "1")
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = given
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _be_quiet() -> None:
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
