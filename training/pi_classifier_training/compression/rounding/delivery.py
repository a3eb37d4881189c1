"""The command ``round``: choose how to round, write the file, say what it costs."""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pi_classifier.setting import setting
from pi_classifier_training.compression.rounding.float_file import (
    FloatModel,
    distinct_values,
    packed_bytes,
    read_float_model,
    write_rounded,
)
from pi_classifier_training.compression.rounding.frontier import write_frontier
from pi_classifier_training.compression.rounding.search import (
    for_saving,
    for_saving_where_sound,
    for_target_loss,
)
from pi_classifier_training.compression.rounding.trials import (
    DRAWN,
    USUAL_LEVELS,
    Attempt,
    Figures,
    Method,
    RoundingTrials,
)
from pi_classifier_training.data.splits import SplitOptions
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.export.run_export import evaluate_folders

USUAL_SAVING = 0.8
# Points of top-1 above which nothing is written unless that is asked for.
USUAL_ACCEPTED = 2.0
# Drawn pictures show no subject, so their labels are a toss-up and change more easily: so many
# of 100 may for each point that photos may lose. How far the scores diverge, in nats, tells a
# ruined network better: MobileNet v1 0.25 1 point worse 0.05, 7 points worse 0.16; v2 0.35
# 1 point worse 0.01, 3 points worse 0.06.
CHANGED_A_POINT, NATS_A_POINT = 10, 0.025


@dataclass(frozen=True, slots=True)
class RoundOptions:
    """What to round for: a saving (fraction), a loss (points) or, for simple methods, levels."""

    method: Method = setting(
        "compensated",
        "compensated: fitted to training photos (without --image-dir: to drawn pictures), levels "
        "by sensitivity; channel: power-of-two steps for each channel; classic: one set of "
        "levels for each tensor",
    )
    levels: int | None = setting(
        None,
        f"of channel and classic: values (default: {USUAL_LEVELS})",
        minimum=1,
        maximum=65_536,
    )
    saving: float | None = setting(
        None,
        f"share of the file that gzip -9 should save (default: {USUAL_SAVING})",
        minimum=0,
        maximum=1,
        metavar="SHARE",
    )
    target_loss: float | None = setting(
        None,
        "the smallest file that loses at most so many percentage points of top-1",
        minimum=0,
        maximum=100,
        metavar="POINTS",
    )
    accept_loss: float = setting(
        USUAL_ACCEPTED,
        "write nothing where more percentage points of top-1 are lost on the validation photos "
        "(without photos: where ten times as many of 100 drawn pictures change their labels, or "
        "scores diverge by 0.025 nats for each point); 100 writes the file whatever it loses",
        minimum=0,
        maximum=100,
        metavar="POINTS",
    )
    frontier: Path | None = setting(
        None,
        "also write table and plot of saving against accuracy, all methods (minutes)",
        metavar="FOLDER",
    )
    splits: SplitOptions = SplitOptions()


def round_model(
    model: Path, output: Path, image_dirs: Sequence[Path], options: RoundOptions
) -> Iterator[str]:
    """Round the float model file `model` into `output`; yield lines to print.

    The same file and photos give the same bytes. Raises TrainingError.
    """
    _check(options, image_dirs)
    source = read_float_model(model)
    if output.exists() and output.samefile(model):
        raise TrainingError(
            f"{output}: is the float file itself; give OUT.tflite another name, so that it stays"
        )
    if options.frontier is not None:
        # Now, not after minutes: the name may be a file's.
        options.frontier.mkdir(parents=True, exist_ok=True)
    trials = RoundingTrials(source, image_dirs, options.splits)
    attempt = _chosen(trials, options)
    measured = {split: _measured(trials, attempt, split) for split in trials.splits}
    _require_acceptable(attempt, measured, options)
    record = {
        "method": attempt.method,
        "setting": attempt.setting,
        "weights": source.weights,
        "levels": max(distinct_values(source, attempt.weights).values()),
    } | {split: asdict(own) for split, (_, own) in measured.items()}
    evaluation = partial(evaluate_folders, image_dirs=image_dirs, rule=trials.rule)
    judge = evaluation if image_dirs else None
    write_rounded(source, attempt.weights, {"rounding": record}, judge, output)
    packed = packed_bytes(output.read_bytes())
    yield from _lines(source, attempt, output, packed)
    for split, (exact, own) in measured.items():
        yield _figures_line(split, exact, own)
    yield from _warnings(source, packed, options, measured)
    if options.frontier is not None:
        yield from write_frontier(trials, attempt, options.frontier)


def _check(options: RoundOptions, image_dirs: Sequence[Path]) -> None:
    if options.method == "compensated":
        if options.levels is not None:
            raise TrainingError(
                f"--levels {options.levels} goes with --method channel or classic; compensated "
                "chooses the levels of each channel itself: say --saving 0.8 or --target-loss 0.5"
            )
        if options.target_loss is not None and not image_dirs:
            raise TrainingError(
                f"--target-loss {options.target_loss:g} is measured on photos: give --image-dir "
                "the folder the model was trained on, or take --saving, which needs none"
            )
    elif options.saving is not None or options.target_loss is not None:
        aim = "--saving" if options.saving is not None else "--target-loss"
        raise TrainingError(
            f"{aim} goes with --method compensated; {options.method} takes --levels"
        )
    if options.frontier is not None and not image_dirs:
        raise TrainingError("--frontier measures accuracy: give --image-dir a folder of photos")


def _chosen(trials: RoundingTrials, options: RoundOptions) -> Attempt:
    if options.method != "compensated":
        levels = USUAL_LEVELS if options.levels is None else options.levels
        return trials.by_levels(options.method, levels)
    if options.target_loss is not None:
        return for_target_loss(trials, options.target_loss)
    if options.saving is not None:
        return for_saving(trials, options.saving)
    if trials.splits != (DRAWN,):
        return for_saving(trials, USUAL_SAVING)
    # Nobody asked for the usual saving: a network that does not bear it gets less.
    return for_saving_where_sound(
        trials,
        USUAL_SAVING,
        lambda attempt: (
            _harm(DRAWN, _measured(trials, attempt, DRAWN), options.accept_loss) is None
        ),
    )


def _lines(source: FloatModel, attempt: Attempt, output: Path, packed: int) -> Iterator[str]:
    before = len(source.data)
    levels = list(distinct_values(source, attempt.weights).values())
    zeros = sum(int((attempt.weights[o.inputs[1]] == 0).sum()) for o in source.layers)
    yield (
        f"{output}: gzip -9 makes {packed / 1000:.0f} kB of it, {1 - packed / before:.1%} less "
        f"than the float file's {before / 1000:.0f} kB ({attempt.method}, {attempt.setting}); "
        f"xz -9 makes {len(lzma.compress(output.read_bytes(), preset=9)) / 1000:.0f} kB"
    )
    yield (
        f"  {source.weights} weights in {len(levels)} layers, at most {max(levels)} values a "
        f"layer; {zeros / source.weights:.0%} are exactly zero"
    )


def _measured(trials: RoundingTrials, attempt: Attempt, split: str) -> tuple[Figures, Figures]:
    """The float model's figures on the photos of a split, and the attempt's."""
    return trials.float_figures(split), trials.figures(attempt, split)


def _require_acceptable(
    attempt: Attempt, measured: Mapping[str, tuple[Figures, Figures]], options: RoundOptions
) -> None:
    """Raise TrainingError where rounding has ruined the network."""
    split, figures = next(iter(measured.items()))
    points = options.accept_loss
    harm = _harm(split, figures, points)
    if harm is None:
        return
    others = ["ask for a smaller --saving"]
    if attempt.method != "compensated":
        others = ["leave out --method", "give more --levels"]
    elif split == DRAWN and options.saving is None:
        others = []  # the finest was tried
    if split == DRAWN:
        others.insert(0, "give --image-dir the training photos: fitted to them it costs less")
    raise TrainingError(
        f"nothing was written: rounding ({attempt.method}, {attempt.setting}) {harm} that "
        f"--accept-loss {points:g} allows; {', or '.join(others)}, or say --accept-loss 100 to "
        "have the file all the same"
    )


def _harm(split: str, figures: tuple[Figures, Figures], points: float) -> str | None:
    """What the rounded network has lost beyond `points` of top-1, in words; None for nothing."""
    exact, own = figures
    if points >= 100:
        return None
    if split == DRAWN:
        changed, bound = 100 * (1 - own.agreement), CHANGED_A_POINT * points
        nats = NATS_A_POINT * points
        if changed <= bound + 1e-9 and own.divergence <= nats + 1e-9:
            return None
        return (
            f"changes the labels of {changed:.0f} % of {own.n} drawn pictures and moves their "
            f"scores by {own.divergence:.3f} nats, more than the {bound:g} % or {nats:g} nats"
        )
    # Of a handful of photos a single one is many points: it ruins nothing.
    lost, bound = 100 * (exact.top1 - own.top1), max(points, 100 / own.n)
    if lost <= bound + 1e-9:
        return None
    return (
        f"loses {lost:.1f} points of top-1 on the {own.n} {split} photos "
        f"({exact.top1:.1%} → {own.top1:.1%}), more than the {bound:g}"
    )


def _figures_line(split: str, exact: Figures, own: Figures) -> str:
    if split == DRAWN:
        return (
            f"  {own.n} drawn pictures: {own.agreement:.0%} get the same label as by the float "
            f"model, their scores diverge by {own.divergence:.3f} nats on average"
        )
    low, high = own.change
    return (
        f"  {split:10} top-1 {exact.top1:.1%} → {own.top1:.1%} "
        f"({100 * (own.top1 - exact.top1):+.1f} points, 95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}, n = {own.n}, one photo is {100 / own.n:.1f}); cross-entropy "
        f"{exact.cross_entropy:.3f} → {own.cross_entropy:.3f}; same label as the float model "
        f"{own.agreement:.1%}"
    )


def _warnings(
    source: FloatModel,
    packed: int,
    options: RoundOptions,
    measured: Mapping[str, tuple[Figures, Figures]],
) -> Iterator[str]:
    if source.model.manifest.details.get("kind") == "rounded":
        yield (
            f"warning: {source.model.path} was rounded before; what is said here is beside that "
            "file, and what the first rounding cost comes on top"
        )
    if DRAWN in measured:
        yield (
            "warning: accuracy was not measured, and layers were fitted to drawn pictures; with "
            "--image-dir and the training photos rounding costs less, and says how much: never "
            "use a rounded model unevaluated"
        )
    elif options.target_loss is not None:
        exact, own = measured["test"]
        lost: Any = 100 * (exact.top1 - own.top1)
        if lost > options.target_loss + 1e-9:
            yield (
                f"warning: chosen on validation photos, it loses {lost:.1f} points on the test "
                f"photos, more than {options.target_loss:g}: with {own.n} photos that may be "
                "chance; ask for a smaller loss to be on the safe side"
            )
    yield from _saves_less(source, packed, options, DRAWN in measured)


def _saves_less(
    source: FloatModel, packed: int, options: RoundOptions, drawn: bool
) -> Iterator[str]:
    saved = 1 - packed / len(source.data)
    searched = drawn and options.method == "compensated"
    if options.saving is not None and saved < options.saving:
        yield f"warning: the finished file saves {saved:.1%}, less than {options.saving:.1%}"
    elif options.saving is None and searched and saved < USUAL_SAVING:
        yield (
            f"warning: the finished file saves {saved:.1%}, less than {USUAL_SAVING:.1%}: coarser "
            "rounding changed too much; with --image-dir and the training photos more can be saved"
        )
