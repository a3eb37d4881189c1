"""A run's folder as an entry of the zoo: how it was trained, and what its files say."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pi_classifier_training.data.dataset import Photo, labels_of, scan
from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.evaluation.labeling import match_labels
from pi_classifier_training.evaluation.scoring import classify_photos
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.retraining.options import (
    FINE_TUNE_RATE,
    SCRATCH_RATE,
    RetrainOptions,
    TrainingOptions,
)
from pi_classifier_training.retraining.phases import kept_row
from pi_classifier_training.retraining.run_folder import RunFolder

from benchmarks.errors import BenchmarkError
from benchmarks.zoo_record import Counted, Entry, MeasuredFile, PhotoSet, Training
from pi_classifier.config.options import flag_of
from pi_classifier.config.schema import keys_of
from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings

FOLDS = 5
# What a run's folder may hold; a run that is finished has the first two.
KINDS = ("float32", "int8", "qat", "rounded")
# Other weights to begin with are those of another run.
_WEIGHTS = (".h5", ".pth", ".pt")
_ONCE = ModelSettings(cache_dir="", top_k=0)


def photo_set(image_dir: Path) -> tuple[PhotoSet, list[Photo]]:
    """The photos of a folder, split as ``retrain`` does. Raises DatasetError."""
    photos = scan([image_dir])
    listed = "\n".join(f"{photo.label}/{photo.name} {photo.split}" for photo in photos)
    digest = hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()
    splits = Counter(photo.split for photo in photos)
    name, labels = image_dir.resolve().name, len(labels_of(photos))
    kept = PhotoSet(name, labels, len(photos), splits["test"], splits["validation"], digest)
    return kept, photos


def measured_run(run: Path, photos: Sequence[Photo], known: Entry | None) -> Entry:
    """The entry of a finished run, measured on the test and validation photos among `photos`.

    Files that `known` has measured already are not measured again. Raises BenchmarkError for
    a run that is not finished, or that was split in another way.
    """
    summary = RunFolder(run).summary()
    recorded = SplitRule.recorded(summary)
    if recorded != SplitRule():
        raise BenchmarkError(f"{run}: its photos were split in another way: cannot be compared")
    files = {kind: run / f"{kind}.tflite" for kind in KINDS if (run / f"{kind}.tflite").is_file()}
    if not {"float32", "int8"} <= summary.get("evaluation", {}).keys() & files.keys():
        raise BenchmarkError(f"{run}: is not finished")
    name = run.resolve().name
    return Entry(
        name,
        NetworkSpec(**summary["network"]),
        _training(summary, name),
        _measured_files(files, photos, {} if known is None else known.files),
        None if known is None else known.folds,
    )


def _measured_files(
    paths: Mapping[str, Path], photos: Sequence[Photo], known: Mapping[str, MeasuredFile]
) -> dict[str, MeasuredFile]:
    from pi_classifier_training.compression.rounding.float_file import packed_bytes

    contents = {kind: path.read_bytes() for kind, path in paths.items()}
    sums = {kind: hashlib.sha256(content).hexdigest() for kind, content in contents.items()}
    by_sum = {file.sha256: file for file in known.values()}
    new = [kind for kind in paths if sums[kind] not in by_sum]
    measured = dict(zip(new, _counted([paths[kind] for kind in new], photos), strict=True))
    return {
        kind: by_sum.get(sums[kind])
        or MeasuredFile(
            sums[kind], len(contents[kind]), packed_bytes(contents[kind]), *measured[kind],
        )
        for kind in paths
    }  # fmt: skip


def _counted(files: Sequence[Path], photos: Sequence[Photo]) -> list[tuple[Counted, Counted]]:
    """Right answers of each file, through the device's classifier: test, validation."""
    if not files:
        return []
    with contextlib.ExitStack() as stack:
        models = [
            stack.enter_context(contextlib.closing(open_model(file, _ONCE))) for file in files
        ]
        by_split = []
        for split in ("test", "validation"):
            own = [photo for photo in photos if photo.split == split]
            matched = match_labels(own, models[0].labels, models[0].name)
            outcomes = classify_photos(models, matched)
            by_split.append([Counted(int(o.right.sum()), len(o.photos)) for o in outcomes])
    return list(zip(*by_split, strict=True))


def _training(summary: Mapping[str, Any], name: str) -> Training:
    options, history = summary["options"], summary["history"]
    return Training(
        retrain_command(summary, name),
        kept_row(history)["phase"],
        sum(row["phase"] in ("fine-tuning", "scratch") for row in history),
        options["training"]["seed"],
        summary["data"]["name"],
        options["weights"],
        tuple(options["negatives"]),
        tuple(options["teachers"]),
    )


def retrain_command(summary: Mapping[str, Any], name: str) -> str:
    """The command that trains a run again, with the folders by their names only."""
    words = ["pi-classifier-train", "retrain"]
    for folder in summary["data"]["name"].split(" + "):
        words += ["--image-dir", folder]
    network, options = summary["network"], summary["options"]
    words += ["--output-dir", f"runs/{name}", "--network", network["name"]]
    words += ["--width", f"{network['width']:g}", "--resolution", str(network["resolution"])]
    words += _given(RetrainOptions, options)
    training = dict(options["training"])
    if training["rate"] == (SCRATCH_RATE if options["weights"] == "none" else FINE_TUNE_RATE):
        del training["rate"]
    words += _given(TrainingOptions, training)
    if len(options["teachers"]) > 1 or training["views"]:
        words += ["--teacher-cache", "runs/teacher-scores"]
    return shlex.join(words)


def _given(settings: type, values: Mapping[str, Any]) -> Iterator[str]:
    """The options whose values are not the usual ones, as words of a command."""
    for name, key in keys_of("", settings).items():
        value, usual = values.get(name), key.default
        if value is None or value == (list(usual) if isinstance(usual, tuple) else usual):
            continue
        for one in value if isinstance(value, list) else [value]:
            yield flag_of(key)
            if not isinstance(one, bool):
                yield _word(name, one)


def _word(name: str, value: Any) -> str:
    # Other runs are named by their folders, which stand beside the run's own.
    is_run = name == "teachers" or (
        name == "weights"
        and value not in ("imagenet", "none")
        and Path(value).suffix not in _WEIGHTS
    )
    return f"runs/{value}" if is_run else f"{value:g}" if isinstance(value, float) else str(value)


def folds(spec: NetworkSpec, weights: str, photos: Sequence[Photo]) -> Counted:
    """How many of all photos are named rightly by heads fitted without them, in five parts."""
    from pi_classifier_training.features.bottlenecks import BottleneckCache
    from pi_classifier_training.networks.network import Network, load_weights
    from pi_classifier_training.retraining.head import fit_head
    from sklearn.model_selection import StratifiedKFold

    network = Network(spec, labels_of(photos))
    load_weights(network.backbone, spec, weights)
    with BottleneckCache.at(None) as cache:
        known = cache.features(
            network, "crop", photos, cache.contents(photos), mirrored=False, title=spec.title
        )
        features: NDArray[np.float32] = known.gather(np.arange(len(known)))
    right = 0
    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=1)
    for kept, left_out in parts.split(features, known.indices):
        head = fit_head(features[kept], known.indices[kept], len(network.labels))
        given = head.logits(features[left_out]).argmax(axis=1)
        right += int((given == known.indices[left_out]).sum())
    return Counted(right, len(known.indices))
