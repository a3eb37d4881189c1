"""Figures as lines a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pi_classifier_training.evaluation.per_photo import mistake_lines

# More labels than this are not listed one by one.
LISTED_LABELS = 20
WORST = 10
WORST_SHOWN = 5
# From this probability on chance explains a difference well enough.
SIGNIFICANT = 0.05


def share(evaluation: Mapping[str, Any], key: str) -> str:
    """A fraction with its interval and count, such as ``87.4 % (83.4–90.6 %, n = 341)``."""
    low, high = evaluation[f"{key}_interval"]
    return f"{evaluation[key]:.1%} ({low:.1%}–{high:.1%}, n = {evaluation['n']})"


def between(evaluation: Mapping[str, Any], key: str, form: str) -> str:
    """A figure with its interval, such as ``0.331 (0.275–0.392)``; `form` as in format()."""
    low, high = evaluation[f"{key}_interval"]
    return f"{evaluation[key]:{form}} ({low:{form}}–{high:{form}})"


def top_lines(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Top-1, top-3 and top-5 of models side by side, with intervals; `rows` are their figures.

    Where all find the right label among so many in every photo, there is nothing to compare.
    """
    kinds = [k for k in (1, 3, 5) if any(figures[f"top{k}"] < 1 for figures in rows.values())]
    if kinds in ([], [1]):
        return
    width = max(map(len, rows))
    yield f"{'':{width}}" + "".join(f"  {f'top-{k}':<22}" for k in kinds).rstrip()
    for name, figures in rows.items():
        shares = (between(figures, f"top{k}", ".1%") for k in kinds)
        yield f"{name:{width}}" + "".join(f"  {text:<22}" for text in shares).rstrip()


def evaluation_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """The lines ``evaluate`` prints."""
    lines = [
        f"{evaluation['model']} on {evaluation['photos']['words']}",
        f"  top-1          {share(evaluation, 'top1')}",
        f"  top-3          {share(evaluation, 'top3')}",
        f"  top-5          {share(evaluation, 'top5')}",
        f"  cross-entropy  {between(evaluation, 'cross_entropy', '.3f')}",
        f"  calibration    off by {between(evaluation, 'calibration_error', '.1%')} on average",
        f"  size           {evaluation['size_bytes'] / 1000:.0f} kB",
        f"  time           {evaluation['latency_ms']:.2f} ms a photo (median, this machine)",
    ]
    if "deferral_ratio" in evaluation:
        lines.append(f"  deferred       {evaluation['deferral_ratio']:.1%} of the photos")
    if evaluation["unreadable"]:
        lines.append(f"  left out       {evaluation['unreadable']} unreadable photos")
    lines += [*_label_lines(evaluation["per_label"]), *_confusion_lines(evaluation)]
    if "mistakes" in evaluation:
        lines += ["", *mistake_lines(evaluation)]
    if "unknown" in evaluation:
        lines += ["", *unknown_lines(evaluation["unknown"])]
    if "in_words" in evaluation:
        lines += ["", *(f"  {sentence}" for sentence in evaluation["in_words"])]
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def unknown_lines(unknown: Mapping[str, Any]) -> Iterator[str]:
    """What is announced of photos that show none of the labels, and what of the others."""
    held_out = ", of places that it was not trained on" if unknown["held_out"] else ""
    yield (
        f"  {unknown['n']} photos of nothing from {_counted(unknown['sources'], 'place')} in "
        f"{', '.join(unknown['folders'])}{held_out}"
    )
    known = unknown["known"]
    yield (
        f"  announced      {between(unknown, 'share', '.1%')} of them as a label: false "
        f"announcements, at a score of {unknown['threshold']:g}"
    )
    yield (
        f"                 {between(known, 'announced', '.1%')} of the {known['n']} photos of "
        f"labels rightly, {known['mistaken']:.1%} wrongly"
    )
    yield f"  area           {unknown['area']:.3f} under the curve of both (1: tells all apart)"
    if unknown["labels"]:
        told = ", ".join(f"{label} {count}" for label, count in unknown["labels"].items())
        yield f"  taken for      {told}"
    for photo in unknown["worst"][:WORST_SHOWN]:
        yield f"  {photo['score']:.2f} {photo['label']}: {photo['photo']}"
    yield (
        "  These are single frames. The device announces a label when several in a row agree "
        "(decision.patience), which is rarer"
    )


def _label_lines(per_label: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    shown = list(per_label.items())
    title = "labels"
    if len(shown) > LISTED_LABELS:
        with_photos = [(label, f) for label, f in shown if f["n"]]
        shown = sorted(with_photos, key=lambda item: item[1]["f1"])[:WORST]
        title = f"the {len(shown)} worst of {len(with_photos)} labels"
    width = max(len(title), *(len(label) for label, _ in shown))
    yield ""
    yield f"  {title:{width}}  photos  found  of those given it, right"
    for label, f in shown:
        yield (
            f"  {label:{width}}  {f['n']:6}  {_percent(f['recall']):>5}  "
            f"{_percent(f['precision']):>5}"
        )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _confusion_lines(evaluation: Mapping[str, Any]) -> Iterator[str]:
    wrong = [
        (true, given, count) for true, given, count in confusion_list(evaluation) if true != given
    ]
    if not wrong:
        return
    yield ""
    yield "  most frequent mistakes"
    for true, given, count in wrong[:WORST]:
        times = "once" if count == 1 else f"{count} times"
        yield f"  {true} taken for {given}: {times}"


def confusion_list(evaluation: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """The confusion of an evaluation as (true label, given label, count), most frequent first."""
    labels: Sequence[str] = evaluation["labels"]
    confusion = evaluation["confusion"]
    if confusion and len(confusion[0]) == len(labels) and not isinstance(confusion[0][0], str):
        cells = [
            (labels[i], labels[j], int(count))
            for i, row in enumerate(confusion)
            for j, count in enumerate(row)
            if count
        ]
        return sorted(cells, key=lambda cell: -cell[2])
    return [(true, given, int(count)) for true, given, count in confusion]


def difference_words(test: Mapping[str, Any], n: int) -> str:
    """What a paired comparison on `n` photos says, in plain words."""
    low, high = (100 * value for value in test["top1_difference_interval"])
    points = f"{100 * test['top1_difference']:+.1f} points ({low:+.1f} to {high:+.1f})"
    if test["p_value"] >= SIGNIFICANT:
        return (
            f"{points}: no real difference can be seen with {n} photos (p = {test['p_value']:.2g})"
        )
    better = "better" if test["top1_difference"] > 0 else "worse"
    return f"{points}: clearly {better} (p = {test['p_value']:.2g})"


def cascade_lines(output: Any, evaluation: Mapping[str, Any], note: str) -> Iterator[str]:
    """The lines ``calibrate`` prints of a cascade."""
    *early, last = evaluation["models"]
    for model, accept in zip(early, evaluation["thresholds"], strict=True):
        yield f"{output}: {model['name']} answers alone from a score of {accept:g} on ({note})"
    for own, model in zip(evaluation["label_thresholds"], early, strict=False):
        for label, accept in own.items():
            yield f"  {model['name']} answers {label!r} from {accept:g} on"
    rows = [("the cascade", evaluation["cascade"])] + [
        (m["name"], m) for m in evaluation["models"]
    ]
    width = max(len(name) for name, _ in rows)
    for name, row in rows:
        times = evaluation["cost_ms"] if name == "the cascade" else row["frame_ms"]
        yield f"  {name:{width}}  {share(row, 'top1')}, {times:.2f} ms a frame"
    words = difference_words(evaluation["against_last"], evaluation["n"])
    yield f"  against {last['name']}: {words}"
    if len(evaluation["folders"]) > 1:
        for folder, part in evaluation["folders"].items():
            yield (
                f"  {folder}: the cascade {share(part['cascade'], 'top1')}, {last['name']} "
                f"{part['models'][-1]['top1']:.1%}; {part['deferral_ratio']:.1%} passed on, "
                f"{part['cost_ratio']:.0%} of its time"
            )
    yield (
        f"  passed on: {evaluation['deferral_ratio']:.1%} of the photos; "
        f"{evaluation['cost_ratio']:.0%} of {last['name']}'s time for a camera frame here, "
        f"{evaluation['network_cost_ratio']:.0%} counting the networks alone"
    )
    yield from _warnings(evaluation)


def _warnings(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Say with numbers where a single model would do better."""
    first, *_, last = evaluation["models"]
    for kind, ratio in (("frame_ms", "cost_ratio"), ("network_ms", "network_cost_ratio")):
        if evaluation[ratio] <= 1:
            continue
        what = "a camera frame" if kind == "frame_ms" else "the network"
        quick = first[kind] / last[kind]
        yield (
            f"warning: this cascade cannot win: {first['name']} takes {first[kind]:.2f} ms for "
            f"{what}, {quick:.0%} of {last['name']}'s {last[kind]:.2f} ms, so it must answer "
            f"more than {quick:.0%} of the frames alone, and on these photos it answers "
            f"{1 - evaluation['deferral_ratio']:.0%}; {last['name']} alone would be faster"
        )
    for model in evaluation["models"][:-1]:
        if (
            model["top1"] >= evaluation["cascade"]["top1"]
            and model["frame_ms"] <= evaluation["cost_ms"]
        ):
            yield (
                f"warning: {model['name']} alone is as accurate on these photos and not slower; "
                "take it instead"
            )
