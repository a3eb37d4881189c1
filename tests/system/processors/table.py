"""The results as Markdown, and their place in docs/reference/processors.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .comparing import Difference
from .emulation import REPOSITORY
from .places import Place

PAGE = REPOSITORY / "docs/reference/processors.md"
_BEGIN, _END = "<!-- made by scripts/arm: begin -->", "<!-- made by scripts/arm: end -->"
_GROUPS = {
    "fast": "flowers/fast",
    "accurate": "flowers/accurate",
    "fast-rounded": "flowers/fast-rounded",
    "float32": "tests' float",
    "normalized": "tests' float",
    "uint8": "tests' full-integer",
    "int8": "tests' full-integer",
    "dynamic": "tests' dynamic-range",
    "logits": "tests' logits",
}
_COLUMNS = (
    *("Debian, runtime", "processor (board)", "model", "pictures", "other label"),
    *("scores that differ", "largest difference", "self-test off by"),
)
_HEAD = (f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|")


def grouped(differences: Sequence[Difference]) -> list[Difference]:
    """One difference for each kind of model: counts added, the largest of the rest."""
    found: dict[str, Difference] = {}
    for each in differences:
        name = _GROUPS.get(each.model, each.model)
        have = found.get(name)
        found[name] = replace(each, model=name) if have is None else _joined(have, each)
    return list(found.values())


def _joined(one: Difference, other: Difference) -> Difference:
    return replace(
        one,
        pictures=one.pictures + other.pictures,
        values=one.values + other.values,
        other_labels=one.other_labels + other.other_labels,
        differing=one.differing + other.differing,
        largest=max(one.largest, other.largest),
        p99=max(one.p99, other.p99),
        widest_gap=max(one.widest_gap, other.widest_gap),
        golden_off=max(one.golden_off, other.golden_off),
        golden_tolerance=min(one.golden_tolerance, other.golden_tolerance),
        same_pixels=one.same_pixels and other.same_pixels,
    )


def rows(place: Place, differences: Sequence[Difference]) -> Iterator[str]:
    """The lines of the table for one place."""
    system = f"{place.userland.suite} {place.userland.architecture}, {place.runtime}"
    boards = f" ({place.processor.boards})" if place.processor.boards else ""
    for each in grouped(differences):
        steps = f" ({each.steps} steps)" if each.steps else ""
        off = f"{each.golden_off:.2g} of {each.golden_tolerance:g}"
        yield (
            f"| {system} | {place.processor.name}{boards} | {each.model} | {each.pictures} "
            f"| {_other(each)} | {each.differing} of {each.values} "
            f"| {each.largest:.2g}{steps} | {off if each.self_test else f'**{off}: refused**'} |"
        )


def _other(each: Difference) -> str:
    if not each.other_labels:
        return "0"
    return f"{each.other_labels} (best two within {each.widest_gap:.2g})"


def table(lines: Iterable[str]) -> str:
    """The whole table."""
    return "\n".join((*_HEAD, *lines))


def write(text: str, page: Path = PAGE) -> None:
    """Put `text` into the page, in place of what was there."""
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", "utf-8")
