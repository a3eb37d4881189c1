"""Which networks are worth a trial: those whose published weights are here and that fit.

The figures of ImageNet below order the trials, nothing else: what a network is worth is
measured on the user's photos.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.imagenet import PUBLISHED, imagenet_top1
from pi_classifier_training.networks.published import fetch_weights, keras_cache, weight_files
from pi_classifier_training.networks.spec import FAMILIES, NetworkSpec

log = logging.getLogger(__name__)

# Smaller pictures than these have never been the best for their cost.
SMALLEST_SIDE = 128
# What no --max-ms means: a camera that sees less often misses what passes by.
USUAL_MAX_MS = 500.0
# A class of cost: from one number to the double of it.
CLASS_FACTOR = 2.0


class Cost(Protocol):
    """What a network costs on the board: milliseconds a picture, kB of its file."""

    @property
    def ms(self) -> float:
        """The milliseconds to plan with."""
        ...

    @property
    def kb(self) -> float:
        """The size of its file."""
        ...


CostOf = Callable[[NetworkSpec], Cost]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that may be tried, with what it costs on the board."""

    network: NetworkSpec
    cost: Cost

    @property
    def name(self) -> str:
        """A name for its folder, such as ``mobilenet_v1-0.25-128``."""
        return f"{self.network.name}-{self.network.width:g}-{self.network.resolution}"

    @property
    def title(self) -> str:
        """How people are told of it: ``mobilenet_v1 0.25/128``."""
        return self.network.title

    @property
    def cost_class(self) -> int:
        """Candidates of one class cost about the same: they compete with one another."""
        return math.floor(math.log(max(self.cost.ms, 1e-3), CLASS_FACTOR))

    @property
    def expected(self) -> float:
        """About how good it would be on ImageNet, from 0 to 1."""
        return imagenet_top1(self.network)


class Weights:
    """Where published weights come from: a folder, or Keras' cache and the internet.

    `missing` lists the networks whose weights were asked for and could not be had.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.missing: list[str] = []
        self._offline = False

    def file_of(self, network: NetworkSpec) -> Path | None:
        """The file of a network's weights, downloaded if need be; None where it cannot be had.

        One failed download ends all downloading: what fails now fails for the others too.
        """
        folder = self.folder or keras_cache()
        for name in weight_files(network):
            if (folder / name).is_file():
                return folder / name
        if self.folder is None and not self._offline:
            try:
                return fetch_weights(network)
            except TrainingError as error:
                log.debug("%s", error)
                self._offline = True
        title = f"{network.name} {network.width:g}"
        if title not in self.missing:
            self.missing.append(title)
        return None

    def missing_line(self) -> str:
        """What was left out and why, in a sentence; empty where nothing was."""
        if not self.missing:
            return ""
        why = f"no file of theirs is in {self.folder}" if self.folder else "no internet"
        widths: dict[str, list[str]] = {}
        for title in self.missing:
            name, _, width = title.partition(" ")
            widths.setdefault(name, []).append(width)
        listed = ", ".join(
            f"{name} ({', '.join(sorted(texts, key=float))})"
            for name, texts in sorted(widths.items())
        )
        return f"Not tried, as their published weights cannot be had ({why}): {listed}."


def candidates(
    cost_of: CostOf, max_ms: float | None = None, max_kb: float | None = None
) -> list[Candidate]:
    """All networks that the board allows, cheapest first; whose weights are here is not asked.

    Raises TrainingError where there is none.
    """
    everything = [Candidate(network, cost_of(network)) for network in _networks()]
    allowed = [c for c in everything if _fits(c.cost, max_ms, max_kb)]
    if not allowed:
        fastest = min(everything, key=lambda c: c.cost.ms)
        smallest = min(everything, key=lambda c: c.cost.kb)
        raise TrainingError(
            f"no network keeps to {_limits(max_ms, max_kb)}: the "
            f"fastest takes about {fastest.cost.ms:.0f} ms, the smallest {smallest.cost.kb:.0f} "
            "kB; allow more"
        )
    return sorted(allowed, key=lambda c: (c.cost.ms, c.name))


def _limits(max_ms: float | None, max_kb: float | None) -> str:
    """The limits that were given, as on the command line."""
    given = (("--max-ms", max_ms), ("--max-kb", max_kb))
    return " ".join(f"{option} {limit:g}" for option, limit in given if limit is not None)


def _fits(cost: Cost, max_ms: float | None, max_kb: float | None) -> bool:
    return cost.ms <= (max_ms or USUAL_MAX_MS) and (max_kb is None or cost.kb <= max_kb)


def _networks() -> Iterator[NetworkSpec]:
    for name, width in PUBLISHED:
        for side in FAMILIES[name].resolutions:
            if side >= SMALLEST_SIDE:
                yield NetworkSpec(name, width, side)


def in_turn(ranked: Iterable[Candidate]) -> list[Candidate]:
    """The candidates, best first within their class: of every class one, then the second.

    Classes follow each other from the cheapest to the dearest, so that whatever is cut
    off at the end, cheap and dear networks stay in the race.
    """
    classes: dict[int, list[Candidate]] = {}
    for candidate in ranked:
        classes.setdefault(candidate.cost_class, []).append(candidate)
    rounds = max(map(len, classes.values()), default=0)
    return [
        classes[number][place]
        for place in range(rounds)
        for number in sorted(classes)
        if place < len(classes[number])
    ]


def contenders(
    allowed: Iterable[Candidate], count: int, weights: Weights
) -> dict[Candidate, Path]:
    """Up to `count` candidates with the files of their weights, in the order to be tried.

    Raises TrainingError where no weights can be had.
    """
    likeliest = sorted(allowed, key=lambda c: (-c.expected, c.cost.ms, c.name))
    # Asked for one by one: what has to be downloaded is, only if its turn comes.
    classes = {
        number: iter([c for c in likeliest if c.cost_class == number])
        for number in sorted({c.cost_class for c in likeliest})
    }
    chosen: dict[Candidate, Path] = {}
    while classes and len(chosen) < count:
        for number, waiting in list(classes.items()):
            pair = next(_with_weights(waiting, weights), None)
            if pair is None:
                del classes[number]
            elif len(chosen) < count:
                chosen[pair[0]] = pair[1]
    if chosen:
        return chosen
    example = weight_files(NetworkSpec())[0]
    where = f"--weights-dir {weights.folder}" if weights.folder else "published weights"
    raise TrainingError(
        f"{where}: has none of the networks that the board allows; name a folder with Keras' "
        f"files without top layers, such as {example}"
        + ("" if weights.folder else " (--weights-dir DIR), or connect to the internet")
    )


def _with_weights(
    waiting: Iterable[Candidate], weights: Weights
) -> Iterator[tuple[Candidate, Path]]:
    for candidate in waiting:
        path = weights.file_of(candidate.network)
        if path is not None:
            yield candidate, path
