"""A profile for people, for spreadsheets and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pi_classifier.measuring.operations import OperationTime, Profile, Time
from pi_classifier.printable import printable

_KERNELS = ("xnnpack", "builtin")
# From here on other programs, or heat, were in the way for most of the time.
_DISTURBED = 1.25
_ADDS_UP = (0.9, 1.1)


@dataclass(frozen=True, slots=True)
class KindTime:
    """All operations of one kind together; times in ms, with XNNPACK and without."""

    kind: str
    count: int
    ms: float
    builtin_ms: float
    macs: int
    moved_bytes: int


def kinds(profile: Profile) -> list[KindTime]:
    """The operations by kind, the one that takes longest first."""
    found: dict[str, list[OperationTime]] = {}
    for operation in profile.operations:
        found.setdefault(operation.cost.kind, []).append(operation)
    summed = [
        KindTime(
            kind,
            len(group),
            sum(ms_of(one.times[0]) for one in group),
            sum(ms_of(one.times[1]) for one in group),
            sum(one.cost.macs for one in group),
            sum(one.moved_bytes for one in group),
        )
        for kind, group in found.items()
    ]
    return sorted(summed, key=lambda kind: -kind.ms)


def ms_of(found: Time | None) -> float:
    """The time, 0 where there is none."""
    return 0.0 if found is None else found.ms


def gmacs(macs: int, ms: float) -> float | None:
    """10⁹ multiply-accumulates a second; None for an operation without, or without a time."""
    return macs / ms / 1e6 if macs and ms else None


def heaviest(profile: Profile) -> int:
    """How many operations take half of the time together."""
    rest = profile.sums_ms[0] / 2
    times = sorted((ms_of(one.times[0]) for one in profile.operations), reverse=True)
    for count, ms in enumerate(times, start=1):
        rest -= ms
        if rest <= 0:
            return count
    return len(times)


def record(profile: Profile) -> dict[str, Any]:
    """The profile as JSON values."""
    total = profile.sums_ms[0] or 1.0
    return {
        "model": profile.model.name,
        "path": str(profile.model.path),
        "sha256": profile.model.sha256,
        "board": profile.board,
        "runtime": profile.runtime,
        "threads": profile.threads,
        "whole": {k: asdict(t) for k, t in zip(_KERNELS, profile.whole, strict=True)},
        "calling": {k: asdict(t) for k, t in zip(_KERNELS, profile.calling, strict=True)},
        "parts_ms": dict(zip(_KERNELS, profile.sums_ms, strict=True)),
        "parts_of_whole": dict(zip(_KERNELS, _adding_up(profile), strict=True)),
        "memory_mb": {"before": asdict(profile.before), "opened": asdict(profile.opened)},
        "kinds": [asdict(kind) | {"share": kind.ms / total} for kind in kinds(profile)],
        "operations": list(_rows(profile)),
    }


def _adding_up(profile: Profile) -> tuple[float, float]:
    with_xnnpack, without = (
        part / whole.ms if whole.ms else 0.0
        for part, whole in zip(profile.sums_ms, profile.whole, strict=True)
    )
    return with_xnnpack, without


def _rows(profile: Profile) -> Iterator[dict[str, Any]]:
    total, cumulative = profile.sums_ms[0] or 1.0, 0.0
    for one in profile.operations:
        ms = ms_of(one.times[0])
        cumulative += ms
        row: dict[str, Any] = {
            "number": one.cost.number,
            "kind": one.cost.kind,
            "name": one.cost.name,
            "output": list(one.cost.output),
            "share": ms / total,
            "cumulative": cumulative / total,
            "macs": one.cost.macs,
            "moved_bytes": one.moved_bytes,
            "gmacs_per_s": gmacs(one.cost.macs, ms),
            "once": one.once,
            "problem": one.problem,
        }
        for kernels, found in zip(_KERNELS, one.times, strict=True):
            row[f"{kernels}_ms"] = None if found is None else found.ms
            row[f"{kernels}_median_ms"] = None if found is None else found.median_ms
            row[f"{kernels}_deviation_ms"] = None if found is None else found.deviation_ms
        yield row


def as_csv(profiles: Sequence[Profile]) -> str:
    """A line for each operation, times in milliseconds, under a line of headings."""
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for profile in profiles:
        for operation in _rows(profile):
            row = {"model": profile.model.name, **operation}
            row["output"] = "x".join(map(str, row["output"]))
            if writer is None:
                writer = csv.DictWriter(text, list(row))
                writer.writeheader()
            writer.writerow(row)
    return text.getvalue()


def lines(profile: Profile) -> Iterator[str]:
    """The lines that a person reads."""
    cores = "1 thread" if profile.threads == 1 else f"{profile.threads} threads"
    yield printable(f"{profile.model.name}: {profile.model.path}")
    yield f"on {profile.board}, {profile.runtime}, {cores}"
    yield ""
    yield from _operation_lines(profile)
    yield ""
    yield from _kind_lines(profile)
    yield ""
    yield from _whole_lines(profile)


def _operation_lines(profile: Profile) -> Iterator[str]:
    heading = (
        f"{'':>3} {'operation':<18} {'output':<14} {'ms':>8} {'±':>7} {'share':>6} {'so far':>6} "
        f"{'MACs':>12} {'bytes':>10} {'GMAC/s':>6} {'without XNNPACK':>15}"
    )
    yield heading.rstrip()
    for row in _rows(profile):
        start = f"{row['number']:>3} {row['kind']:<18.18} {_shape(row['output']):<14}"
        if row["xnnpack_ms"] is None:
            why = "runs once, when the model is opened" if row["once"] else row["problem"]
            yield printable(f"{start} {why}")
            continue
        yield (
            f"{start} {row['xnnpack_ms']:8.4f} {row['xnnpack_deviation_ms']:7.4f} "
            f"{row['share']:6.1%} {row['cumulative']:6.1%} {_count(row['macs']):>12} "
            f"{row['moved_bytes']:10,} {_rate(row['gmacs_per_s']):>6} "
            f"{_ms(row['builtin_ms']):>12} ms"
        )


def _kind_lines(profile: Profile) -> Iterator[str]:
    total = profile.sums_ms[0] or 1.0
    yield f"{'':>3} {'kind':<18} {'number':<14} {'ms':>8} {'':>7} {'share':>6}"
    for kind in kinds(profile):
        yield (
            f"{'':>3} {kind.kind:<18.18} {kind.count:<14} {kind.ms:8.4f} {'':>7} "
            f"{kind.ms / total:6.1%} {'':>6} {_count(kind.macs):>12} {kind.moved_bytes:10,} "
            f"{_rate(gmacs(kind.macs, kind.ms)):>6} {_ms(kind.builtin_ms):>12} ms"
        )


def _whole_lines(profile: Profile) -> Iterator[str]:
    whole, builtin = profile.whole
    yield (
        f"The whole network takes {whole.ms:.3f} ms; in the median of {whole.runs} runs "
        f"{whole.median_ms:.3f} ms, standard deviation {whole.deviation_ms:.3f} ms."
    )
    disturbed = whole.median_ms > _DISTURBED * whole.ms
    if disturbed:
        yield "The machine was busy with something else: end that, and measure again."
    share = _adding_up(profile)[0]
    yield (
        f"Its parts, each alone, add up to {share:.0%} of that ({profile.sums_ms[0]:.3f} ms)"
        + ("." if disturbed else _why(share))
    )
    ratio = builtin.ms / whole.ms
    yield f"Without XNNPACK it takes {builtin.ms:.3f} ms, {ratio:.1f} times as long."
    now = profile.opened
    yield (
        f"Opening it took {max(0.0, now.anonymous - profile.before.anonymous):.1f} MB of memory; "
        f"the process has {now.resident:.1f} MB, {now.file_backed:.1f} MB of it pages of files."
    )
    yield f"Half of the time goes to {heaviest(profile)} of {len(profile.operations)} operations."


def _why(share: float) -> str:
    if share < _ADDS_UP[0]:
        return (
            ": run in turn, they have to fetch their numbers and weights from memory, "
            "which alone they find in the processor's cache."
        )
    if share > _ADDS_UP[1]:
        return ": run in turn, they are joined, and less goes to and from memory."
    return "."


def _shape(output: Sequence[int]) -> str:
    return "×".join(map(str, output))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2f}"


def _ms(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.4f}"
