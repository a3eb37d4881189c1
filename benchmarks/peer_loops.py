"""A loop over the same pictures for each way to run a model; each a process of its own.

    python -m benchmarks.peer_loops NAME '{"model": ..., "pictures": ..., ...}'

It opens the model, prints the label of the first picture as one JSON line, then waits: for each
line on its standard input it goes once through all pictures and prints what it took. It runs in
environments that have nothing of this project's, so each loop imports its own library.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pi_classifier.types import Classifier, Frame, Prediction

Pixels = NDArray[np.uint8]
Label = Callable[[Pixels], str]
Pass = Callable[[], tuple[list[int], list[str]]]
"""Goes once through all pictures; returns nanoseconds and the best label of each."""


@contextlib.contextmanager
def ours(given: dict[str, Any], pictures: Sequence[Pixels]) -> Iterator[tuple[Label, Pass]]:
    """The service's own loop: camera, gate, classifier, smoother."""
    from pi_classifier.inference.classifier import open_classifier
    from pi_classifier.inference.settings import ModelSettings
    from pi_classifier.types import Frame

    settings = ModelSettings(path=given["model"], cache_dir=given["cache"])
    with contextlib.closing(open_classifier(settings)) as classifier:

        def label(pixels: Pixels) -> str:
            return classifier.classify(Frame(pixels, 0, 0)).top.label

        yield label, _service_loop(classifier, pictures)


def _service_loop(classifier: Classifier, pictures: Sequence[Pixels]) -> Pass:
    def once() -> tuple[list[int], list[str]]:
        # Others have no service to import before their first label.
        from benchmarks.scenes import PreparedCamera
        from pi_classifier.decision import SmootherSettings, make_smoother
        from pi_classifier.gate import AlwaysOpen
        from pi_classifier.service.run_loop import run
        from pi_classifier.service.service import PipelineParts, Service

        camera, labels = PreparedCamera(pictures), []

        def observe(_: Frame, prediction: Prediction | None) -> None:
            labels.append("" if prediction is None else prediction.top.label)

        parts = PipelineParts(AlwaysOpen(), classifier, make_smoother(SmootherSettings()))
        run(Service(camera, parts), observe)
        return camera.times_ns, labels

    return once


@contextlib.contextmanager
def bare(given: dict[str, Any], pictures: Sequence[Pixels]) -> Iterator[tuple[Label, Pass]]:
    """The interpreter of the runtime that is here, with Pillow's resize."""
    from benchmarks.bare import BareModel

    model = BareModel(given["model"], tuple(given["mean"]), tuple(given["std"]))

    def label(pixels: Pixels) -> str:
        return str(given["labels"][model.best(pixels)])

    yield label, _through(label, pictures)


@contextlib.contextmanager
def mediapipe(given: dict[str, Any], pictures: Sequence[Pixels]) -> Iterator[tuple[Label, Pass]]:
    """MediaPipe's ImageClassifier, with its usual options."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=given["model"])
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:

        def label(pixels: Pixels) -> str:
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
            return str(classifier.classify(image).classifications[0].categories[0].category_name)

        yield label, _through(label, pictures)


@contextlib.contextmanager
def opencv(given: dict[str, Any], pictures: Sequence[Pixels]) -> Iterator[tuple[Label, Pass]]:
    """OpenCV's DNN module, on one thread as ours."""
    import cv2

    cv2.setNumThreads(1)
    network = cv2.dnn.readNetFromTFLite(given["model"])
    scale, mean = 1 / given["std"][0], tuple(given["mean"])
    height, width = given["size"]

    def label(pixels: Pixels) -> str:
        network.setInput(cv2.dnn.blobFromImage(pixels, scale, (width, height), mean))
        return str(given["labels"][int(network.forward().argmax())])

    yield label, _through(label, pictures)


LOOPS = {"ours": ours, "bare": bare, "mediapipe": mediapipe, "opencv": opencv}


def _through(label: Label, pictures: Sequence[Pixels]) -> Pass:
    def once() -> tuple[list[int], list[str]]:
        times_ns, labels = [], []
        for pixels in pictures:
            begin_ns = time.perf_counter_ns()
            labels.append(label(pixels))
            times_ns.append(time.perf_counter_ns() - begin_ns)
        return times_ns, labels

    return once


def main(name: str, given: str) -> None:
    """Serve the parent until it closes the pipe."""
    settings = json.loads(given)
    pictures = list(np.load(settings["pictures"]))
    with LOOPS[name](settings, pictures) as (label, once):
        print(json.dumps({"label": label(pictures[0])}), flush=True)
        for _ in sys.stdin:
            times_ns, labels = once()
            print(json.dumps({"times_ns": times_ns, "labels": labels}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
