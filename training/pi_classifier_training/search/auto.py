"""From a folder of photos to the best model for a board, in the time there is."""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier.system.files import read_json_object, write_json
from pi_classifier_training.data.dataset import Photo, labels_of, require_trainable, scan
from pi_classifier_training.data.negatives import Negatives
from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.data_check.check import check
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.boards import board_cost
from pi_classifier_training.features.bottlenecks import BottleneckCache
from pi_classifier_training.progress import Overall, with_progress
from pi_classifier_training.retraining.recipe import flat, photos_id
from pi_classifier_training.retraining.run_folder import SEARCH_RECORD
from pi_classifier_training.search.candidates import (
    Candidate,
    Weights,
    candidates,
    contenders,
)
from pi_classifier_training.search.executor import Executor, SerialExecutor
from pi_classifier_training.search.options import AutoOptions
from pi_classifier_training.search.plan import RUNGS, BestAccuracies, Tried
from pi_classifier_training.search.search import Budget, Search, SearchInputs

log = logging.getLogger(__name__)

SEARCH_FOLDER, AUTO_FILE = SEARCH_RECORD.parts
_LARGEST_RECORD = 1 << 20
# So many networks are tried at most, however much time there is.
MOST_CONTENDERS = 24
# About what one contender's first trial takes, to choose how many there are.
_FIRST_TRIAL_S = 8.0
# Of finishing: seconds that it takes whatever the photos, and how many of these a second.
_FINISHING_S, _FINISHED_PHOTOS_S = 45.0, 80.0
# Of the time given, at most: the rest is for trials.
_MOST_RESERVED = 0.4


@dataclass(frozen=True, slots=True)
class SearchResult:
    """All that a search tried, in that order.

    `left_s` seconds of the time given are left for finishing.
    """

    tried: tuple[Tried, ...]
    left_s: float


def search(
    image_dirs: Sequence[Path],
    output_dir: Path,
    options: AutoOptions,
    *,
    force: bool = False,
    executor: Executor | None = None,
    spent_s: float = 0.0,
) -> SearchResult:
    """Try the networks worth trying; of the time given, `spent_s` seconds are over.

    A search that was killed goes on. Raises DatasetError and TrainingError with one clear
    message.
    """
    labeled = scan(image_dirs, options.splits)
    photos = [*labeled, *Negatives.joining(labeled, image_dirs, options.negatives).photos]
    labels = require_trainable(photos)
    budget = Budget(60 * options.minutes, reserve_s(options, len(photos)), spent_s=spent_s)
    allowed = candidates(
        lambda network: board_cost(network, options.board, labels=len(labels)),
        options.max_ms,
        options.max_kb,
    )
    folder = output_dir / SEARCH_FOLDER
    with Overall(lambda: budget.total_s - budget.now_s()) as display:
        display.doing("checking the photos")
        recipe = _recipe(photos, options)
        _require_same(folder, recipe, force=force)
        display.say(checked(image_dirs, len(labeled), options.splits))
        with_weights = _contenders(allowed, budget, options, display)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / AUTO_FILE, recipe)
        inputs = _inputs(image_dirs, folder, photos, options)
        trials = Search(inputs, with_weights, executor or SerialExecutor(), budget, display)
        trials.run()
        return SearchResult(tuple(trials.tried()), budget.total_s - budget.now_s())


def _inputs(
    image_dirs: Sequence[Path], folder: Path, photos: Sequence[Photo], options: AutoOptions
) -> SearchInputs:
    counts = Counter(photo.split for photo in photos)
    return SearchInputs(
        tuple(image_dirs),
        folder,
        len(labels_of(photos)),
        counts["training"],
        counts["validation"],
        options.cache_dir,
        options.seed,
        options.negatives,
        options.splits,
    )


def checked(image_dirs: Sequence[Path], count: int, rule: SplitRule) -> str:
    """Whether anything is wrong with the photos, in a sentence or two."""
    result = check(image_dirs, lambda paths: with_progress("photos", paths), rule)
    bad = [finding for finding in result.findings if finding.severity != "note"]
    start = f"{count} photos of {len(result.counts)} labels"
    if not bad:
        return f"{start}; nothing is wrong with them."
    faults = "; ".join(
        finding.message + (f" ({len(finding.groups)})" if finding.groups else "")
        for finding in bad[:2]
    )
    more = f", and {len(bad) - 2} more" if len(bad) > 2 else ""
    return f"{start}. Worth a look{more} (pi-classifier-train check-data shows them): {faults}."


def _contenders(
    allowed: Sequence[Candidate], budget: Budget, options: AutoOptions, display: Overall
) -> dict[Candidate, Path]:
    """As many candidates as there is time for, once their weights are here."""
    display.doing("looking for published weights")
    weights = Weights(Path(options.weights_dir) if options.weights_dir else None)
    count = int(RUNGS["few photos"] * (budget.total_s - budget.reserve_s) / _FIRST_TRIAL_S)
    with_weights = contenders(allowed, max(2, min(MOST_CONTENDERS, count)), weights)
    if weights.missing:
        display.say(weights.missing_line())
    return with_weights


def reserve_s(options: AutoOptions, photos: int) -> float:
    """Seconds that finishing takes: files, calibration, figures, report."""
    return min(_FINISHING_S + photos / _FINISHED_PHOTOS_S, _MOST_RESERVED * 60 * options.minutes)


def _recipe(photos: Sequence[Photo], options: AutoOptions) -> dict[str, Any]:
    with BottleneckCache.at(options.cache_dir) as cache:
        contents = cache.contents(photos)
    return {"photos": photos_id(photos, contents), "options": options.as_dict()}


def _require_same(folder: Path, recipe: dict[str, Any], *, force: bool) -> None:
    """Refuse to go on with a search of another recipe; `force` removes it."""
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    path = folder / AUTO_FILE
    try:
        earlier = read_json_object(path, _LARGEST_RECORD)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); begin anew with --force"
        ) from error
    if earlier != json.loads(json.dumps(recipe)):
        raise TrainingError(
            f"{folder.parent}: holds a search of {_difference(earlier, recipe)}; name another "
            "--output-dir, or begin anew with --force"
        )


def _difference(earlier: dict[str, Any], recipe: dict[str, Any]) -> str:
    before, now = flat(earlier.get("options", {})), flat(recipe["options"])
    differing = [f"{k} {before.get(k)}, now {now[k]}" for k in now if before.get(k) != now[k]]
    if differing:
        return f"other options ({'; '.join(differing)})"
    return "other photos"


def table(tried: Sequence[Tried]) -> Iterator[str]:
    """Everything that was tried, a line for each network, the fastest first."""
    by_candidate: dict[Candidate, list[Tried]] = {}
    for trial in tried:
        by_candidate.setdefault(trial.candidate, []).append(trial)
    of_few = False
    yield f"{'network':<24} {'size':>4} {'frozen':>7} {'tuned':>7} {'ms':>6} {'kB':>6}"
    for candidate in sorted(by_candidate, key=lambda c: c.cost.ms):
        best = BestAccuracies.of(t.result for t in by_candidate[candidate])
        frozen, tuned = best.texts(" %")
        of_few |= best.of_few
        yield (
            f"{candidate.network.name + ' ' + format(candidate.network.width, 'g'):<24} "
            f"{candidate.network.resolution:>4} {frozen:>7} {tuned:>7} "
            f"{candidate.cost.ms:>6.0f} {candidate.cost.kb:>6.0f}"
        )
    if of_few:
        yield "* learned from a few of the photos, and went no further"
