"""Scores of models on given pictures, on whatever processor this runs.

    python -m tests.system.processors.scores --output FILE.npz PICTURES.npy MODEL...

It is run here and inside the emulated systems, so it needs nothing but the daemon. All goes
the daemon's way: its reading of model files, its resize, its interpreter, its self-test.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import PiClassifierError
from pi_classifier.inference.classifier import ModelClassifier, open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import ModelFile, upsample_nearest
from pi_classifier.preprocessing.preprocessor import Preprocessor

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one model said: scores float32 ``[pictures, labels]``.

    `golden_off` is how far the scores of the file's self-test were from the expected ones
    at most, `golden_tolerance` how far they may be; `pixels` uint64 ``[pictures]`` are
    checksums of what went into the network, `step` is one step of a quantized output, else 0.
    """

    model: str
    runtime: str
    scores: Scores
    golden_off: float
    golden_tolerance: float
    pixels: NDArray[np.uint64]
    step: float


def write(path: Path, answers: Sequence[Answers]) -> None:
    """Keep `answers` for `read`."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, each in enumerate(answers):
        arrays |= {f"{number} scores": each.scores, f"{number} pixels": each.pixels}
    facts = np.array(
        [
            (
                *(each.model, each.runtime),
                *map(repr, (each.golden_off, each.golden_tolerance, each.step)),
            )
            for each in answers
        ]
    )
    np.savez(path, allow_pickle=False, facts=facts, **arrays)


def read(path: Path) -> list[Answers]:
    """What `write` kept."""
    with np.load(path) as kept:
        return [
            Answers(
                model=str(fact[0]),
                runtime=str(fact[1]),
                scores=kept[f"{number} scores"],
                pixels=kept[f"{number} pixels"],
                golden_off=float(fact[2]),
                golden_tolerance=float(fact[3]),
                step=float(fact[4]),
            )
            for number, fact in enumerate(kept["facts"])
        ]


def answers(model: Path, pictures: NDArray[np.uint8], runtime: str, cache: Path | None) -> Answers:
    """Show `pictures` uint8 ``[n, height, width, 3]`` to `model`. Raises ModelError."""
    settings = ModelSettings(runtime=runtime, cache_dir="" if cache is None else str(cache))
    classifier = open_model(model, settings)
    file = classifier.model
    preprocess = Preprocessor(file.input_size, file.manifest.resize)
    scores = np.empty((len(pictures), len(file.labels)), np.float32)
    checksums = np.empty(len(pictures), np.uint64)
    for number, picture in enumerate(pictures):
        pixels = preprocess(picture)
        checksums[number] = int(hashlib.sha256(pixels.tobytes()).hexdigest()[:16], 16)
        scores[number] = classifier.raw_scores(pixels)
    golden_off = _golden_off(file, classifier)
    classifier.close()
    return Answers(
        model=model.stem,
        runtime=classifier.runtime,
        scores=scores,
        golden_off=golden_off,
        golden_tolerance=file.manifest.golden_tolerance,
        pixels=checksums,
        step=file.output.scale,
    )


def _golden_off(file: ModelFile, classifier: ModelClassifier) -> float:
    return max(
        float(
            np.abs(
                classifier.raw_scores(upsample_nearest(each.pixels, file.input_size)) - each.scores
            ).max()
        )
        for each in file.manifest.golden
    )


def _jobs(words: Sequence[str]) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    pictures: NDArray[np.uint8] = np.empty((0, 1, 1, 3), np.uint8)
    for word in words:
        if word.endswith(".npy"):
            pictures = np.load(word, mmap_mode="r")
        else:
            yield Path(word), pictures


def main() -> int:
    """Write all scores; 0 unless a model could not be run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--cache", type=Path, help="a folder: weights are mapped from there")
    parser.add_argument("--most", type=int, help="show no more pictures of each file")
    parser.add_argument("words", nargs="+", metavar="PICTURES.npy or MODEL.tflite")
    options = parser.parse_args()
    try:
        found = [
            answers(model, pictures[: options.most], options.runtime, options.cache)
            for model, pictures in _jobs(options.words)
        ]
    except PiClassifierError as error:
        print(error, file=sys.stderr)
        return 1
    write(options.output, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
