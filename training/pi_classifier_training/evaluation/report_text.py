"""Figures as lines a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# More labels than this are not listed one by one.
LISTED_LABELS = 20
WORST = 10
# From this probability on chance explains a difference well enough.
SIGNIFICANT = 0.05


def share(record: Mapping[str, Any], key: str) -> str:
    """A fraction with its interval and count, such as ``87.4 % (83.4–90.6 %, n = 341)``."""
    low, high = record[f"{key}_interval"]
    return f"{record[key]:.1%} ({low:.1%}–{high:.1%}, n = {record['n']})"


def between(record: Mapping[str, Any], key: str, form: str) -> str:
    """A figure with its interval, such as ``0.331 (0.275–0.392)``; `form` as in format()."""
    low, high = record[f"{key}_interval"]
    return f"{record[key]:{form}} ({low:{form}}–{high:{form}})"


def evaluation_lines(record: Mapping[str, Any]) -> list[str]:
    """The lines ``evaluate`` prints."""
    lines = [
        f"{record['model']} on {record['n']} photos (split: {record['split']})",
        f"  top-1          {share(record, 'top1')}",
        f"  top-3          {share(record, 'top3')}",
        f"  top-5          {share(record, 'top5')}",
        f"  cross-entropy  {between(record, 'cross_entropy', '.3f')}",
        f"  calibration    off by {between(record, 'calibration_error', '.1%')} on average",
        f"  size           {record['size_bytes'] / 1000:.0f} kB",
        f"  time           {record['latency_ms']:.2f} ms a photo (median, this machine)",
    ]
    if "deferral_ratio" in record:
        lines.append(f"  deferred       {record['deferral_ratio']:.1%} of the photos")
    if record["unreadable"]:
        lines.append(f"  left out       {record['unreadable']} unreadable photos")
    return [*lines, *_label_lines(record["per_label"]), *_confusion_lines(record)]


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


def _confusion_lines(record: Mapping[str, Any]) -> Iterator[str]:
    found = [
        (true, given, count) for true, given, count in confusion_list(record) if true != given
    ]
    if not found:
        return
    yield ""
    yield "  most frequent mistakes"
    for true, given, count in found[:WORST]:
        times = "once" if count == 1 else f"{count} times"
        yield f"  {true} taken for {given}: {times}"


def confusion_list(record: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """The confusion of a record as (true label, given label, count), most frequent first."""
    labels: Sequence[str] = record["labels"]
    confusion = record["confusion"]
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


def cascade_lines(output: Any, record: Mapping[str, Any], note: str) -> Iterator[str]:
    """The lines ``calibrate`` prints of a cascade."""
    *early, last = record["models"]
    for model, accept in zip(early, record["thresholds"], strict=True):
        yield f"{output}: {model['name']} answers alone from a score of {accept:g} on ({note})"
    for own, model in zip(record["label_thresholds"], early, strict=False):
        for label, accept in own.items():
            yield f"  {model['name']} answers {label!r} from {accept:g} on"
    rows = [("the cascade", record["cascade"])] + [(m["name"], m) for m in record["models"]]
    width = max(len(name) for name, _ in rows)
    for name, row in rows:
        times = record["cost_ms"] if name == "the cascade" else row["frame_ms"]
        yield f"  {name:{width}}  {share(row, 'top1')}, {times:.2f} ms a frame"
    yield f"  against {last['name']}: {difference_words(record['against_last'], record['n'])}"
    if len(record["folders"]) > 1:
        for folder, part in record["folders"].items():
            yield (
                f"  {folder}: the cascade {share(part['cascade'], 'top1')}, {last['name']} "
                f"{part['models'][-1]['top1']:.1%}; {part['deferral_ratio']:.1%} passed on, "
                f"{part['cost_ratio']:.0%} of its time"
            )
    yield (
        f"  passed on: {record['deferral_ratio']:.1%} of the photos; "
        f"{record['cost_ratio']:.0%} of {last['name']}'s time for a camera frame here, "
        f"{record['network_cost_ratio']:.0%} counting the networks alone"
    )
    yield from _warnings(record)


def _warnings(record: Mapping[str, Any]) -> Iterator[str]:
    """Say with numbers where a single model would do better."""
    first, *_, last = record["models"]
    for kind, ratio in (("frame_ms", "cost_ratio"), ("network_ms", "network_cost_ratio")):
        if record[ratio] <= 1:
            continue
        what = "a camera frame" if kind == "frame_ms" else "the network"
        quick = first[kind] / last[kind]
        yield (
            f"warning: this cascade cannot win: {first['name']} takes {first[kind]:.2f} ms for "
            f"{what}, {quick:.0%} of {last['name']}'s {last[kind]:.2f} ms, so it must answer "
            f"more than {quick:.0%} of the frames alone, and on these photos it answers "
            f"{1 - record['deferral_ratio']:.0%}; {last['name']} alone would be faster"
        )
    for model in record["models"][:-1]:
        if model["top1"] >= record["cascade"]["top1"] and model["frame_ms"] <= record["cost_ms"]:
            yield (
                f"warning: {model['name']} alone is as accurate on these photos and not slower; "
                "take it instead"
            )
