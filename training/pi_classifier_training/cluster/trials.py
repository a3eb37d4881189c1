"""Trials made by all nodes of a cluster, through Ray Tune."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import queue
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

# Tune shall write nothing and leave its workers where they are; it reads this when imported.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
# Of its two ways of telling this is the one that can be silent.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

from ray import tune
from ray.tune.search import Searcher

from pi_classifier.errors import PiClassifierError
from pi_classifier.system.folders import cache_folder
from pi_classifier_training.cluster.connection import Cluster
from pi_classifier_training.cluster.depot import local_file, local_folder, opened_depot, send_back
from pi_classifier_training.cluster.features import use_own_processors
from pi_classifier_training.errors import ClusterError, TrainingError
from pi_classifier_training.features.bottlenecks import NONE
from pi_classifier_training.search.trials import (
    RESULT_FILE,
    RUN_FOLDER,
    TrialResult,
    TrialSpec,
    read_result,
    run_trial,
)

log = logging.getLogger(__name__)

# How often a trial is begun again whose node, or process, has died.
_TAKEN_OVER = 3
_END_LIMIT_S = 30.0


class RayExecutor:
    """Makes trials on all nodes.

    A trial whose node dies is made by another. What trials leave comes back to this machine,
    into the folders their descriptions name.
    """

    def __init__(self, cluster: Cluster, cache_dir: str | None = None) -> None:
        self.slots = cluster.slots
        self._depot = opened_depot(cluster, cache_dir)
        self._waiting = _Waiting()
        self._ended = _Ended()
        self._thread = threading.Thread(
            target=self._tune, args=(cluster.processors,), name="trials", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.close()
        self._thread.join(_END_LIMIT_S)

    def run(self, specs: Iterable[TrialSpec]) -> Iterator[TrialResult]:
        """Make the trials; yield the result of each when it ends.

        Raises TrainingError where one cannot be made, and ClusterError where one dies again
        and again.
        """
        under_way: dict[str, TrialSpec] = {}
        for spec in specs:
            known = read_result(spec)
            if known is not None:
                yield known
                continue
            under_way[spec.folder] = spec
            self._waiting.begin(spec)
            if len(under_way) == self.slots:
                yield self._next_result(under_way)
        while under_way:
            yield self._next_result(under_way)

    def _next_result(self, under_way: dict[str, TrialSpec]) -> TrialResult:
        folder, error = self._ended.queue.get()
        if error is not None:
            raise error
        result = read_result(under_way.pop(folder))
        if result is None:
            raise ClusterError(f"{folder}: a node has made this trial, and its result is not here")
        return result

    def _tune(self, processors: int) -> None:
        # What fails is told by `_Ended`.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        storage = tempfile.mkdtemp(prefix="pi-classifier-trials-")
        try:
            tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(_made_there, depot=self._depot), {"cpu": processors}
                ),
                tune_config=tune.TuneConfig(
                    search_alg=self._waiting, num_samples=-1, max_concurrent_trials=self.slots
                ),
                run_config=tune.RunConfig(
                    name="trials",
                    storage_path=storage,
                    failure_config=tune.FailureConfig(max_failures=_TAKEN_OVER),
                    callbacks=[self._ended],
                    stop=self._waiting.stopper(),
                    verbose=0,
                ),
            ).fit()
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            self._ended.queue.put(("", ClusterError(f"the cluster is lost: {error}")))
        finally:
            shutil.rmtree(storage, ignore_errors=True)


class _Waiting(Searcher):  # type: ignore[misc]
    """The trials to be begun, as Tune asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self._specs: queue.SimpleQueue[TrialSpec] = queue.SimpleQueue()
        self._closed = threading.Event()

    def begin(self, spec: TrialSpec) -> None:
        """Have a trial made as soon as a node is free."""
        self._specs.put(spec)

    def close(self) -> None:
        """Have no more made, and those under way ended."""
        self._closed.set()

    def stopper(self) -> tune.Stopper:
        """Tells Tune that all is over."""
        return _Stopper(self._closed)

    def suggest(self, _trial_id: str) -> dict[str, Any] | str | None:
        """What Tune tries next; None: nothing yet."""
        with contextlib.suppress(queue.Empty):
            spec = self._specs.get_nowait()
            return {"trial": spec.as_dict(), "absolute": _absolute(spec).as_dict()}
        return Searcher.FINISHED if self._closed.is_set() else None

    def on_trial_complete(self, *_: object, **__: object) -> None:
        """Nothing is learned from one trial for the next."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the plan lies in the folder of the search."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def __reduce__(self) -> tuple[type[_Waiting], tuple[()]]:
        # Tune keeps copies for a later day, for which nobody asks.
        return _Waiting, ()


class _Stopper(tune.Stopper):  # type: ignore[misc]
    def __init__(self, closed: threading.Event | None = None) -> None:
        self._closed = closed or threading.Event()

    def __call__(self, *_: object) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._closed.is_set()

    def __reduce__(self) -> tuple[type[_Stopper], tuple[()]]:
        return _Stopper, ()


class _Ended(tune.Callback):  # type: ignore[misc]
    """The trials that have come to an end: their folders, and why they failed."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[tuple[str, PiClassifierError | None]] = queue.SimpleQueue()

    def on_trial_complete(self, **about: Any) -> None:
        """A trial has said that it is done."""
        trial = about["trial"]
        refused = trial.last_result.get("refused")
        error = TrainingError(refused) if refused else None
        self.queue.put((trial.config["trial"]["folder"], error))

    def on_trial_recover(self, **about: Any) -> None:
        """A trial is begun again."""
        log.warning("%s: its machine is gone; begun again", about["trial"].config["trial"]["name"])

    def on_trial_error(self, **about: Any) -> None:
        """A trial has failed more often than it is begun again."""
        trial = about["trial"]
        lines = str(trial.get_error() or "it was killed each time").strip().splitlines()
        name = trial.config["trial"]["name"]
        self.queue.put(
            (
                trial.config["trial"]["folder"],
                ClusterError(
                    f"trial {name}: failed {_TAKEN_OVER + 1} times on nodes ({lines[-1]})"
                ),
            )
        )

    def __reduce__(self) -> tuple[type[_Ended], tuple[()]]:
        return _Ended, ()


def _absolute(spec: TrialSpec) -> TrialSpec:
    """The same trial, described for processes that run elsewhere."""
    weights, cache = spec.weights, spec.cache_dir
    return replace(
        spec,
        folder=str(spec.path.absolute()),
        image_dirs=tuple(str(Path(folder).absolute()) for folder in spec.image_dirs),
        negatives=tuple(str(Path(folder).absolute()) for folder in spec.negatives),
        weights=str(Path(weights).absolute()) if Path(weights).is_file() else weights,
        cache_dir=cache if cache in (None, NONE) else str(Path(str(cache)).absolute()),
    )


def _made_there(config: dict[str, Any], depot: Any) -> None:
    """Make a trial on the node this runs on, and send back what it leaves."""
    use_own_processors()
    try:
        _make(TrialSpec.of(config["trial"]), TrialSpec.of(config["absolute"]), depot)
    except PiClassifierError as error:
        # It would fail in the same way everywhere.
        tune.report({"refused": str(error)})
    else:
        tune.report({"refused": ""})


def _make(asked: TrialSpec, absolute: TrialSpec, depot: Any) -> None:
    text = json.dumps({**absolute.as_dict(), "limit_s": None}, sort_keys=True)
    own = cache_folder() / "trials" / hashlib.sha256(text.encode()).hexdigest()[:16]
    cache = absolute.cache_dir
    if cache is not None and cache != NONE and not Path(cache).is_dir():
        cache = None
    result = run_trial(
        replace(
            absolute,
            folder=str(own),
            image_dirs=tuple(local_folder(depot, d, cache) for d in absolute.image_dirs),
            negatives=tuple(local_folder(depot, d, cache) for d in absolute.negatives),
            weights=local_file(depot, absolute.weights),
            cache_dir=cache,
        )
    )
    run = result.run and str(asked.path / RUN_FOLDER)
    result = replace(result, spec=asked, run=run)
    send_back(depot, own, absolute.folder, RESULT_FILE, result.as_dict())
    shutil.rmtree(own, ignore_errors=True)
