"""The model files of a run folder, measured side by side, and which one to copy."""

from __future__ import annotations

import contextlib
import gzip
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pi_classifier.decision import SmootherSettings
from pi_classifier.errors import PiClassifierError
from pi_classifier.inference.classifier import model_files, open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.manifest import Manifest
from pi_classifier.types import Classifier
from pi_classifier_training.data.dataset import Photo, labels_of
from pi_classifier_training.data.splits import Split
from pi_classifier_training.errors import DatasetError, TrainingError
from pi_classifier_training.evaluation.metrics import Accuracy, wilson
from pi_classifier_training.evaluation.scoring import Outcomes, classify_photos
from pi_classifier_training.progress import with_progress

log = logging.getLogger(__name__)

# Fastest on a Raspberry Pi first: integers, then fewer bytes to read, then floats.
PREFERRED = ("cascade", "qat", "int8", "dynamic", "float16", "rounded", "float32")
# A faster file is taken while it is at most this much less accurate, on validation photos.
WORTH_THE_SPEED = 0.01
# So many photos of a split tell the files apart; measuring on more would keep a person waiting.
MOST_MEASURED = 1_500


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredFile:
    """A model file as measured: on validation photos to choose by, on test photos to report.

    `gzip_bytes` is its size when compressed for a download; `latency_ms` the median time
    of one test photo on this computer. `manifest` is what the file says of itself.
    """

    path: Path
    kind: str
    labels: tuple[str, ...]
    size_bytes: int
    gzip_bytes: int
    validation: Accuracy | None
    test: Accuracy
    latency_ms: float
    outcomes: Outcomes
    manifest: Manifest = field(default_factory=Manifest)

    @property
    def threshold(self) -> float:
        """The score from which a label may be announced: the file's advice, else the default."""
        high = self.manifest.thresholds.high
        return SmootherSettings().threshold_high if high is None else high


def measure_files(
    source: Path, paths: Sequence[Path], photos: Sequence[Photo]
) -> tuple[list[MeasuredFile], list[str]]:
    """Measure the model files `paths` of `source` on the held-out ones of `photos`.

    Of more than `MOST_MEASURED` of a split as many are drawn by lot, always the same.

    Returns the files, preferred kinds first, and a message on each that could not be
    used. Raises TrainingError when none can, DatasetError when no photo is held out.
    """
    test, others = _of(photos, "test"), _of(photos, "validation")
    if not test:
        raise DatasetError(
            "none of the photos belongs to the test split (about one in ten does); more "
            "photos are needed for a report"
        )
    with contextlib.ExitStack() as opened:
        usable, messages = _usable(source, paths, labels_of(photos), opened)
        classifiers = list(usable.values())
        outcomes = _outcomes(classifiers, test, "test photos")
        validation: Sequence[Outcomes | None] = [None] * len(classifiers)
        if others:
            validation = _outcomes(classifiers, others, "validation photos")
        measured = zip(usable, classifiers, validation, outcomes, strict=True)
        files = [_measured(*one) for one in measured]
    return sorted(files, key=_preference), messages


def _usable(
    source: Path, paths: Sequence[Path], labels: Sequence[str], opened: contextlib.ExitStack
) -> tuple[dict[Path, Classifier], list[str]]:
    """Open the files, closed when `opened` is; what cannot be used gets a message."""
    usable: dict[Path, Classifier] = {}
    messages: list[str] = []
    for path in paths:
        try:
            classifier = _open(path, labels)
        except PiClassifierError as error:
            messages.append(f"{path.name}: {error}")
            continue
        usable[path] = opened.enter_context(contextlib.closing(classifier))
    if not usable:
        why = f" ({messages[0]})" if messages else ""
        raise TrainingError(
            f"{source}: holds no usable model file{why}; 'pi-classifier-train export' writes them"
        )
    return usable, messages


def choose(files: Sequence[MeasuredFile]) -> MeasuredFile:
    """The file to copy to a Raspberry Pi.

    The fastest kind that loses at most a point of accuracy to the best file. Choosing
    looks at validation photos only, so that the test photos' figures stay honest.
    """

    def accuracy(file: MeasuredFile) -> float:
        return 0.0 if file.validation is None else file.validation.value

    enough = max(accuracy(file) for file in files) - WORTH_THE_SPEED - 1e-9
    return next(f for f in sorted(files, key=_preference) if accuracy(f) >= enough)


def _preference(file: MeasuredFile) -> tuple[int, str]:
    place = PREFERRED.index(file.kind) if file.kind in PREFERRED else len(PREFERRED)
    return place, file.path.name


def _of(photos: Sequence[Photo], split: Split) -> list[Photo]:
    own = [photo for photo in photos if photo.split == split]
    if len(own) <= MOST_MEASURED:
        return own
    drawn = np.random.default_rng(1).choice(len(own), MOST_MEASURED, replace=False)
    return [own[i] for i in np.sort(drawn).tolist()]


def _open(path: Path, labels: Sequence[str]) -> Classifier:
    # Packed weights are kept for programs that start often; here they would only be litter.
    classifier = open_classifier(ModelSettings(path=str(path.resolve()), top_k=0, cache_dir=""))
    unknown = [label for label in labels if label not in classifier.labels]
    if unknown:
        classifier.close()
        raise DatasetError(f"does not know the label {unknown[0]!r} of the photos")
    return classifier


def _outcomes(
    classifiers: Sequence[Classifier], photos: Sequence[Photo], title: str
) -> list[Outcomes]:
    return classify_photos(classifiers, photos, lambda p: with_progress(title, p))


def _measured(
    path: Path, classifier: Classifier, validation: Outcomes | None, test: Outcomes
) -> MeasuredFile:
    """A model file, or a cascade's: of all its models together."""
    models = list(model_files(classifier))
    kind = "cascade" if len(models) > 1 else models[0].manifest.details.get("kind", "unknown")
    contents = [model.path.read_bytes() for model in models]
    return MeasuredFile(
        path,
        str(kind),
        tuple(classifier.labels),
        sum(map(len, contents)),
        sum(len(gzip.compress(content, mtime=0)) for content in contents),
        None if validation is None else _accuracy(validation),
        _accuracy(test),
        float(np.median(test.latencies_ns)) / 1e6,
        test,
        models[-1].manifest,
    )


def _accuracy(outcomes: Outcomes) -> Accuracy:
    return wilson(int(outcomes.right.sum()), len(outcomes.photos))
