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

from pi_classifier.system.files import read_regular_file, write_json
from pi_classifier_training.data.dataset import Photo, require_trainable, scan
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.features.bottlenecks import BottleneckCache
from pi_classifier_training.networks.imagenet import mmacs
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.progress import Overall
from pi_classifier_training.retraining.recipe import flat, photos_id
from pi_classifier_training.search.candidates import (
    Candidate,
    Cost,
    Weights,
    candidates,
    contenders,
)
from pi_classifier_training.search.executor import Executor, SerialExecutor
from pi_classifier_training.search.options import AutoOptions
from pi_classifier_training.search.plan import Tried
from pi_classifier_training.search.search import Budget, Search, Subject

log = logging.getLogger(__name__)

SEARCH_FOLDER = "search"
AUTO_FILE = "auto.json"
_LARGEST_RECORD = 1 << 20
MOST_CONTENDERS = 24
# About what one contender's first trial takes, to choose how many there are.
_FIRST_TRIAL_S = 8.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ends with: the networks worth finishing, best first, and all it tried."""

    finalists: tuple[Tried, ...]
    tried: tuple[Tried, ...]


def cost_of(network: NetworkSpec) -> Cost:
    """About what a network costs on the board."""
    return Cost(mmacs(network) / 2.0, 4.0 * mmacs(network))


def search(
    image_dirs: Sequence[Path],
    output_dir: Path,
    options: AutoOptions,
    *,
    force: bool = False,
    executor: Executor | None = None,
) -> Found:
    """Find the networks worth finishing.

    A search that was killed goes on. Raises DatasetError and TrainingError with one clear
    message.
    """
    budget = Budget(60 * options.minutes, reserve_s(options))
    photos = scan(image_dirs)
    labels = require_trainable(photos)
    folder = output_dir / SEARCH_FOLDER
    _begin(folder, _recipe(photos, options), force=force)
    weights = Weights(Path(options.weights_dir) if options.weights_dir else None)
    allowed = candidates(cost_of, options.max_ms, options.max_kb)
    count = int(budget.until_s(0.25) / _FIRST_TRIAL_S)
    chosen = contenders(allowed, max(2, min(MOST_CONTENDERS, count)), weights)
    counts = Counter(photo.split for photo in photos)
    subject = Subject(
        tuple(image_dirs),
        folder,
        len(labels),
        counts["training"],
        counts["validation"],
        options.cache_dir,
        options.seed,
    )
    with Overall(lambda: budget.total_s - budget.now_s()) as display:
        if weights.missing:
            display.say(weights.missing_line())
        run = Search(subject, chosen, executor or SerialExecutor(), budget, display)
        finalists = run.run()
        return Found(tuple(finalists), tuple(run.tried()))


def reserve_s(options: AutoOptions) -> float:
    """Seconds that finishing takes: files, calibration, report."""
    return min(90.0, 0.4 * 60 * options.minutes)


def _recipe(photos: Sequence[Photo], options: AutoOptions) -> dict[str, Any]:
    with BottleneckCache.at(options.cache_dir) as cache:
        contents = cache.contents(photos)
    return {"photos": photos_id(photos, contents), "options": options.as_dict()}


def _begin(folder: Path, recipe: dict[str, Any], *, force: bool) -> None:
    """Make the search's folder, or go on in one of the same recipe."""
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    path = folder / AUTO_FILE
    try:
        earlier = json.loads(read_regular_file(path, _LARGEST_RECORD))
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, recipe)
        return
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); begin anew with --force"
        ) from error
    if earlier != recipe:
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


def table(found: Found) -> Iterator[str]:
    """Everything that was tried, one line each."""
    by_candidate: dict[Candidate, list[Tried]] = {}
    for one in found.tried:
        by_candidate.setdefault(one.candidate, []).append(one)
    yield f"{'network':<24} {'size':>4} {'frozen':>7} {'tuned':>7} {'ms':>6} {'kB':>6}"
    for candidate in sorted(by_candidate, key=lambda c: c.cost.ms):
        made = [t.result for t in by_candidate[candidate] if not t.result.dropped]
        frozen = [r for r in made if not r.spec.epochs]
        tuned = [r for r in made if r.spec.epochs]
        yield (
            f"{candidate.network.name + ' ' + format(candidate.network.width, 'g'):<24} "
            f"{candidate.network.resolution:>4} {_best(frozen):>7} {_best(tuned):>7} "
            f"{candidate.cost.ms:>6.0f} {candidate.cost.kb:>6.0f}"
        )


def _best(results: Sequence[Any]) -> str:
    return f"{100 * max(r.accuracy for r in results):.1f} %" if results else "–"
