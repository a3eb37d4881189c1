"""One trial: a network tried on the photos, as a function of what its description says.

A trial may run in any process on any machine that reaches its folders, and may be run
again: what it leaves lies in a folder of its own, and the result is written last.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.labels import silent_outputs
from pi_classifier.system.files import read_json_object, replacing, write_json
from pi_classifier_training.data.dataset import (
    Photo,
    decode,
    evenly_over_labels,
    require_trainable,
    scan,
)
from pi_classifier_training.data.negatives import Negatives
from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.features.bottlenecks import BottleneckCache, Bottlenecks
from pi_classifier_training.networks.network import Network, load_weights
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.retraining.epochs import figures_of, logits_on
from pi_classifier_training.retraining.head import fit_head
from pi_classifier_training.retraining.options import RetrainOptions, TrainingOptions
from pi_classifier_training.retraining.phases import kept_row
from pi_classifier_training.retraining.photo_sets import require_all_labels
from pi_classifier_training.retraining.retrain import retrain
from pi_classifier_training.retraining.run_folder import RunFolder

log = logging.getLogger(__name__)

RESULT_FILE = "result.json"
SCORES_FILE = "validation.npz"
RUN_FOLDER = "run"
_LARGEST_RESULT = 1 << 20


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """All that decides a trial.

    `weights` is a file of published weights. `negatives` are folders of photos of anything
    else. `epochs` None fits a head on features alone and keeps no network; a number leaves a
    run folder as ``retrain`` does, with the head alone (0) or fine-tuned for so many epochs.
    `photos` is how many photos to train with, and to validate with, are looked at, evenly
    over the labels; None all. Fine-tuning that has taken `limit_s` seconds ends with what it
    has reached.
    """

    name: str
    network: NetworkSpec
    weights: str
    image_dirs: tuple[str, ...]
    folder: str
    cache_dir: str | None = None
    negatives: tuple[str, ...] = ()
    splits: SplitRule = SplitRule()
    photos: int | None = None
    epochs: int | None = None
    limit_s: float | None = None
    seed: int = 1

    @property
    def path(self) -> Path:
        """The trial's own folder."""
        return Path(self.folder)

    def as_dict(self) -> dict[str, Any]:
        """The description in JSON's types."""
        return asdict(self)

    @classmethod
    def of(cls, entries: dict[str, Any]) -> TrialSpec:
        """The description that `as_dict` made."""
        texts = {k: tuple(v) if isinstance(v, list) else v for k, v in entries.items()}
        values: dict[str, Any] = {
            **texts,
            "network": NetworkSpec(**entries["network"]),
            "splits": SplitRule(**entries["splits"]),
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of a trial, measured on the validation photos.

    `accuracy` is a fraction, `cross_entropy` in nats. `seconds` is what the trial took,
    `photos_s` how many photos a second the network makes features of here, `epoch_s` the
    seconds of one epoch of fine-tuning, `photos` how many photos were trained on. `tuned`
    says whether fine-tuning made it better; else the head is what was kept. `run` is the run
    folder of a trial that keeps its network. A trial that was not made has a reason in
    `dropped`.
    """

    spec: TrialSpec
    accuracy: float = 0.0
    cross_entropy: float = float("inf")
    seconds: float = 0.0
    photos_s: float | None = None
    epoch_s: float | None = None
    epochs_done: int = 0
    photos: int = 0
    run: str | None = None
    dropped: str = ""
    tuned: bool = False

    @property
    def name(self) -> str:
        """The trial's name."""
        return self.spec.name

    def as_dict(self) -> dict[str, Any]:
        """The result in JSON's types."""
        return asdict(self)

    def scores(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores ``[n, labels]`` and label indices ``[n]`` of the validation photos.

        The photos are those of every trial on the same folders, in the same order.
        """
        with np.load(self.spec.path / SCORES_FILE, allow_pickle=False) as file:
            return file["scores"], file["indices"]


def run_trial(spec: TrialSpec) -> TrialResult:
    """Make a trial; return its result, which also lies in its folder.

    A trial made before is not made again; one that was killed goes on. Raises
    DatasetError, TrainingError and CacheError.
    """
    known = read_result(spec)
    if known is not None:
        return known
    spec.path.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    result = _head_trial(spec) if spec.epochs is None else _run_trial(spec, spec.epochs)
    return write_result(replace(result, seconds=round(time.monotonic() - started, 2)))


def read_result(spec: TrialSpec) -> TrialResult | None:
    """The result of this very trial where it was made before; else None."""
    try:
        entries = read_json_object(spec.path / RESULT_FILE, _LARGEST_RESULT)
        result = TrialResult(**{**entries, "spec": TrialSpec.of(entries["spec"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s: cannot be read (%s); tried again", spec.path / RESULT_FILE, error)
        return None
    # How long it may take is decided anew; how it came out is not.
    same = replace(result.spec, limit_s=None, folder="") == replace(spec, limit_s=None, folder="")
    run = result.run and str(spec.path / RUN_FOLDER)
    return replace(result, spec=spec, run=run) if same else None


def write_result(result: TrialResult) -> TrialResult:
    """Write the result into the trial's folder, in one piece; return it. Raises OSError."""
    result.spec.path.mkdir(parents=True, exist_ok=True)
    write_json(result.spec.path / RESULT_FILE, result.as_dict())
    return result


def photos_of(spec: TrialSpec) -> list[Photo]:
    """The photos of a trial, those of nothing last. Raises DatasetError."""
    image_dirs = [Path(folder) for folder in spec.image_dirs]
    photos = scan(image_dirs, spec.splits)
    negatives = [Path(folder) for folder in spec.negatives]
    return [*photos, *Negatives.joining(photos, image_dirs, negatives).photos]


def _head_trial(spec: TrialSpec) -> TrialResult:
    photos = photos_of(spec)
    labels = require_trainable(photos)
    network = Network(spec.network, labels)
    load_weights(network.backbone, spec.network, spec.weights)
    training, held_out = (_chosen(photos, split, spec) for split in ("training", "validation"))
    with BottleneckCache.at(spec.cache_dir) as cache:
        rate = cache.features_per_second(network, "crop", training)
        features = _features(cache, network, training, mirrored=spec.photos is None)
        require_all_labels(features.indices, labels, "training")
        validation = _features(cache, network, held_out)
        require_all_labels(validation.indices, labels, "validation")
        views = len(features.rows)
        head = fit_head(
            features, np.tile(features.indices, views), len(labels),
            silent=silent_outputs(labels), views=views,
        )  # fmt: skip
        logits = head.logits(validation)
    figures = _keep_scores(spec, logits, validation.indices)
    return TrialResult(
        spec,
        figures["validation_accuracy"],
        figures["validation_cross_entropy"],
        photos_s=rate,
        photos=len(features.photos),
    )


def _chosen(photos: Sequence[Photo], split: str, spec: TrialSpec) -> list[Photo]:
    """The photos of a split that a trial looks at."""
    part = [p for p in photos if p.split == split]
    if spec.photos is None:
        return part
    names = [p.label for p in part]
    per_label = max(1, spec.photos // len(set(names)))
    return [part[i] for i in evenly_over_labels(names, per_label, spec.seed)]


def _features(
    cache: BottleneckCache, network: Network, photos: Sequence[Photo], *, mirrored: bool = False
) -> Bottlenecks:
    contents, title = cache.contents(photos), network.spec.title
    return cache.features(network, "crop", photos, contents, mirrored=mirrored, title=title)


def _run_trial(spec: TrialSpec, epochs: int) -> TrialResult:
    options = RetrainOptions(
        network=spec.network,
        weights=spec.weights,
        fine_tune=epochs,
        training=TrainingOptions(seed=spec.seed),
        cache_dir=spec.cache_dir,
        negatives=tuple(map(Path, spec.negatives)),
        splits=spec.splits,
    )
    run = spec.path / RUN_FOLDER
    began, limit_s = time.monotonic(), spec.limit_s
    retrain(
        [Path(folder) for folder in spec.image_dirs],
        run,
        options,
        enough=lambda: limit_s is not None and time.monotonic() - began > limit_s,
    )
    photos = photos_of(spec)
    logits, indices = _validation_logits(run, photos)
    figures = _keep_scores(spec, logits, indices)
    history = RunFolder(run).summary()["history"]
    epochs_made = [row for row in history if row["phase"] == "fine-tuning"]
    # TensorFlow compiles the training step in the first epoch.
    seconds = [row["seconds"] for row in epochs_made[1:] or epochs_made]
    return TrialResult(
        spec,
        figures["validation_accuracy"],
        figures["validation_cross_entropy"],
        epoch_s=float(np.median(seconds)) if seconds else None,
        epochs_done=len(epochs_made),
        photos=sum(p.split == "training" for p in photos),
        run=str(run),
        tuned=kept_row(history)["phase"] == "fine-tuning",
    )


def _validation_logits(
    run: Path, photos: Sequence[Photo]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from pi_classifier.preprocessing.preprocessor import Preprocessor

    network = RunFolder(run).load()
    side = network.side
    held_out = [p for p in photos if p.split == "validation"]
    images = decode(held_out, network.labels, Preprocessor((side, side), "crop"), side)
    return logits_on(network, images), images.indices


def _keep_scores(
    spec: TrialSpec, logits: NDArray[np.float32], indices: NDArray[np.int64]
) -> dict[str, Any]:
    """Leave the validation scores in the trial's folder; return their figures."""
    from scipy.special import softmax

    scores = softmax(logits, axis=1).astype(np.float32)
    with replacing(spec.path / SCORES_FILE) as partial, partial.open("wb") as file:
        np.savez(file, scores=scores, indices=indices)
    return figures_of(logits, indices)
