"""What teachers say of every view of a training, computed once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.system.files import write_atomic
from pi_classifier_training.data.augmentation import augment, draw_views
from pi_classifier_training.data.dataset import Images
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.network import Network
from pi_classifier_training.progress import Progress
from pi_classifier_training.retraining.losses import TEMPERATURE

BATCH = 64
# To be counted up whenever the same teachers would say something else of the same view.
VERSION = 2


@dataclass(frozen=True, slots=True, eq=False)
class TeacherTargets:
    """Softened scores of teachers, averaged, for each view of the photos in `squares`.

    A teacher is asked only about photos whose label it knows, and its scores are those among
    the labels that the student knows too: they sum to 1. The scores lie in `folder`,
    one file a view, and serve every student trained on the same photos with the same
    seed: from then on a student costs no more than one without teachers.
    """

    teachers: tuple[Network, ...]
    squares: Images
    labels: tuple[str, ...]
    seed: int
    folder: Path

    def scores(self, view: int, min_area: float) -> NDArray[np.float32]:
        """The scores, float32 ``[n, labels]`` for view number `view`.

        Raises TrainingError where they cannot be kept.
        """
        path = self.folder / f"{self._key(min_area)}-{view:04}.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".lock").open("w") as lock:
                # Of two students at one view one computes, the other waits for the scores.
                fcntl.flock(lock, fcntl.LOCK_EX)
                scores = self._cached(path)
                if scores is None:
                    scores = self._compute(view, min_area)
                    stream = io.BytesIO()
                    np.save(stream, scores)
                    write_atomic(path, stream.getvalue(), durable=False)
        except OSError as error:
            raise TrainingError(
                f"{error.filename or path}: the teachers' scores cannot be kept "
                f"({error.strerror}); name another folder: --teacher-cache DIR"
            ) from error
        return scores

    def _cached(self, path: Path) -> NDArray[np.float32] | None:
        if not path.exists():
            return None
        try:
            scores: NDArray[np.float32] = np.load(path)
        except (ValueError, EOFError):
            return None  # damaged: computed again
        return scores if scores.shape == (len(self.squares), len(self.labels)) else None

    def _key(self, min_area: float) -> str:
        digest = hashlib.sha256(
            repr((VERSION, self.seed, round(min_area, 6), self.labels)).encode()
        )
        for photo in self.squares.photos:
            digest.update(f"{photo.label}/{photo.name}\n".encode("utf-8", "surrogateescape"))
        for teacher in self.teachers:
            digest.update(repr((teacher.spec, teacher.labels)).encode())
            for weights in (*teacher.backbone.get_weights(), *teacher.head.get_weights()):
                digest.update(weights.tobytes())
        return digest.hexdigest()[:16]

    def _compute(self, view: int, min_area: float) -> NDArray[np.float32]:
        n = len(self.squares)
        total = np.zeros((n, len(self.labels)), np.float32)
        counts = np.zeros((n, 1), np.float32)
        draws = draw_views(n, self.seed, view)
        with Progress(f"teachers, view {view + 1}", n * len(self.teachers)) as bar:
            for teacher in self.teachers:
                known = [i for i, label in enumerate(self.labels) if label in teacher.labels]
                # The teacher's outputs in the order of our labels.
                outputs = [teacher.labels.index(self.labels[i]) for i in known]
                rows = np.flatnonzero(np.isin(self.squares.indices, known))
                predict = _predictor(teacher, outputs, min_area)
                for start in range(0, len(rows), BATCH):
                    chosen = rows[start : start + BATCH]
                    pixels, aspects = self.squares.pixels[chosen], self.squares.aspects[chosen]
                    scores = predict(pixels, aspects, draws[chosen])
                    total[chosen[:, None], known] += scores
                    bar.step(len(chosen))
                counts[rows] += 1
        if not counts.all():
            unknown = self.labels[int(self.squares.indices[int(np.argmin(counts))])]
            raise TrainingError(
                f"no teacher knows the label {unknown!r}; one of them must know every label"
            )
        return total / counts


def _predictor(
    teacher: Network, outputs: Sequence[int], min_area: float
) -> Callable[..., NDArray[np.float32]]:
    import tensorflow as tf

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def softened(squares: Any, aspects: Any, draws: Any) -> Any:
        views = augment(squares, aspects, draws, teacher.spec.resolution, min_area)
        logits = tf.gather(teacher(views, training=False)[2], outputs, axis=1)
        # Among our labels alone: what a teacher gives to others would be missing in the sum, and
        # the gradient of the cross-entropy, which takes targets to sum to 1, would shrink all
        # logits for ever.
        return tf.nn.softmax(logits / TEMPERATURE)

    def predict(*batch: NDArray[Any]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = softened(*map(tf.constant, batch)).numpy()
        return scores

    return predict
