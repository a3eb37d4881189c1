"""A profile as a picture: an SVG with one bar for each operation, written here."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from pi_classifier.measuring.operations import OperationTime, Profile
from pi_classifier.measuring.profile_report import gmacs, kinds, ms_of
from pi_classifier.printable import printable

_WIDTH, _MARGIN, _ROW = 800, 20, 17
_NAMES, _BARS = 250, 330
_TITLE = 62
_LIGHT = "hsl({hue} 45% 86%)"
_DARK = "hsl({hue} 50% 52%)"
# Steps around the circle of hues that lie far from one another.
_HUES = (210, 30, 150, 280, 0, 95, 185, 330, 55, 240)


def as_svg(profile: Profile) -> str:
    """The picture: operations in the order they run, then their kinds.

    A dark bar is the time with XNNPACK, the light one behind it the time without,
    on one scale.
    """
    summary = kinds(profile)
    hues = {kind.kind: _HUES[n % len(_HUES)] for n, kind in enumerate(summary)}
    rows = len(profile.operations) + len(summary) + 2
    height = _TITLE + rows * _ROW + _MARGIN
    longest = max((ms_of(time) for one in profile.operations for time in one.times), default=0.0)
    body = list(_head(profile, height))
    for place, one in enumerate(profile.operations):
        body += _operation(one, place, longest, profile.sums_ms[0], hues[one.cost.kind])
    begin = len(profile.operations) + 2
    body.append(_text(_MARGIN, _at(begin - 1), "by kind", bold=True))
    slowest = max((max(kind.ms, kind.builtin_ms) for kind in summary), default=0.0)
    for place, kind in enumerate(summary, start=begin):
        words = f"{kind.ms:.3f} ms, {kind.ms / (profile.sums_ms[0] or 1):.1%}"
        body.append(_text(_MARGIN, _at(place), f"{kind.count} × {kind.kind}"))
        body += _bar(place, kind.ms, kind.builtin_ms, slowest, hues[kind.kind], words)
    return "\n".join([*body, "</svg>", ""])


def _head(profile: Profile, height: int) -> Iterator[str]:
    whole, share = profile.whole[0], profile.sums_ms[0] / (profile.whole[0].ms or 1)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="11">'
    )
    yield f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    yield _text(_MARGIN, 26, profile.model.name, bold=True, size=16)
    threads = "1 thread" if profile.threads == 1 else f"{profile.threads} threads"
    yield _text(
        _MARGIN,
        46,
        f"{whole.ms:.3f} ms on {profile.board}, {profile.runtime}, {threads}; parts add up to "
        f"{share:.0%}; light: without XNNPACK",
        gray=True,
    )


def _operation(
    one: OperationTime, place: int, longest: float, total: float, hue: int
) -> Iterator[str]:
    shape = "×".join(map(str, one.cost.output))
    yield _text(_MARGIN, _at(place), f"{one.cost.number} {one.cost.kind}  {shape}")
    if one.times[0] is None:
        words = "once, when it is opened" if one.once else "cannot run alone"
        yield _text(_NAMES + _MARGIN, _at(place), words, gray=True)
        return
    ms = one.times[0].ms
    words = f"{ms:.3f} ms, {ms / (total or 1):.1%}"
    rate = gmacs(one.cost.macs, ms)
    if rate is not None:
        words += f", {rate:.1f} GMAC/s"
    yield from _bar(place, ms, ms_of(one.times[1]), longest, hue, words)


def _bar(
    place: int, ms: float, builtin_ms: float, longest: float, hue: int, words: str
) -> Iterator[str]:
    scale = _BARS / longest if longest else 0.0
    for length, color in ((builtin_ms, _LIGHT), (ms, _DARK)):
        yield (
            f'<rect x="{_NAMES + _MARGIN}" y="{_at(place) - 11}" width="{scale * length:.1f}" '
            f'height="{_ROW - 4}" fill="{color.format(hue=hue)}"/>'
        )
    yield _text(_NAMES + _BARS + _MARGIN + 6, _at(place), words, gray=True)


def _at(place: int) -> int:
    """The base line of a row."""
    return _TITLE + place * _ROW + 12


def _text(
    x: int, y: int, text: str, *, bold: bool = False, gray: bool = False, size: int = 11
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    color = "#555" if gray else "#000"
    shown = escape(printable(text))
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}"{weight}>{shown}</text>'
