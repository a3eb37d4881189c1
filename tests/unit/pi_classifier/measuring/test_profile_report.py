"""What is told of a profile follows from its figures."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from pi_classifier.measuring.operations import OperationTime, Profile, Time, several_ns, summary
from pi_classifier.measuring.profile_picture import as_svg
from pi_classifier.measuring.profile_report import as_csv, heaviest, kinds, lines, record
from pi_classifier.modelfile.costs import LayerCost
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.system.resources import Memory

MODEL = Path(__file__).resolve().parents[3] / "data" / "int8.tflite"


def exactly(ms: float) -> Time:
    return Time(ms, ms, 0.0, 30)


def operation(number: int, kind: str, ms: float | None, macs: int = 0) -> OperationTime:
    cost = LayerCost(number, kind, f"layer {number}", (1, 8, 8, 4), "", macs, 0, 0, 0)
    found = None if ms is None else exactly(ms)
    without = None if ms is None else exactly(2 * ms)
    return OperationTime(cost, 1000, (found, without), once=ms is None)


@pytest.fixture
def profile() -> Profile:
    """Of 4 ms in parts: a quarter, nothing, a half, a quarter; 4.5 ms as a whole."""
    operations = (
        operation(0, "CONV_2D", 1.0, 3_000_000),
        operation(1, "DEQUANTIZE", None),
        operation(2, "<MEAN>", 2.0),
        operation(3, "CONV_2D", 1.0, 1_000_000),
    )
    whole, memory = (exactly(4.5), exactly(9.0)), Memory(50.0, 20.0, 30.0, 50.0)
    return Profile(
        *(read_model_file(MODEL), "a board", "litert2.3.0", 1, whole),
        *((exactly(0.001), exactly(0.001)), operations),
        *(memory, replace(memory, resident=53.5, anonymous=23.5)),
    )


def test_shares_add_up(profile: Profile) -> None:
    found = record(profile)["operations"]
    assert [row["share"] for row in found] == [0.25, 0, 0.5, 0.25]
    assert [row["cumulative"] for row in found] == [0.25, 0.25, 0.75, 1]
    assert record(profile)["parts_of_whole"] == pytest.approx({"xnnpack": 8 / 9, "builtin": 8 / 9})


def test_rates_are_multiply_accumulates_by_time(profile: Profile) -> None:
    rates = [row["gmacs_per_s"] for row in record(profile)["operations"]]
    assert rates == [3.0, None, None, 1.0]


def test_kinds_are_summed_the_longest_first(profile: Profile) -> None:
    conv, mean, dequantize = sorted(kinds(profile), key=lambda kind: kind.kind != "CONV_2D")
    assert (conv.count, conv.ms, conv.builtin_ms, conv.macs) == (2, 2.0, 4.0, 4_000_000)
    assert {mean.ms, dequantize.ms} == {2.0, 0.0}
    assert [kind.ms for kind in kinds(profile)] == [2.0, 2.0, 0.0]


def test_half_of_the_time(profile: Profile) -> None:
    assert heaviest(profile) == 1
    slower = replace(profile.operations[3], times=(exactly(1.5), None))
    assert heaviest(replace(profile, operations=(*profile.operations[:3], slower))) == 2


def test_text_says_what_it_means(profile: Profile) -> None:
    text = "\n".join(lines(profile))
    assert "  0 CONV_2D            1×8×8×4          1.0000" in text
    assert "DEQUANTIZE         1×8×8×4        runs once, when the model is opened" in text
    assert "add up to 89% of that (4.000 ms): run in turn, they have to fetch" in text
    assert "Without XNNPACK it takes 9.000 ms, 2.0 times as long." in text
    assert "Opening it took 3.5 MB of memory" in text
    assert "Half of the time goes to 1 of 4 operations." in text
    assert "busy" not in text


def test_a_busy_machine_is_told_and_nothing_concluded(profile: Profile) -> None:
    busy = replace(profile, whole=(Time(4.5, 9.0, 3.0, 30), profile.whole[1]))
    text = "\n".join(lines(busy))
    assert "busy with something else" in text
    assert "run in turn" not in text


def test_csv_has_a_line_for_each_operation(profile: Profile) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([profile, profile]))))
    assert [row["kind"] for row in rows] == ["CONV_2D", "DEQUANTIZE", "<MEAN>", "CONV_2D"] * 2
    assert [row["xnnpack_ms"] for row in rows[:4]] == ["1.0", "", "2.0", "1.0"]
    assert rows[0]["output"] == "1x8x8x4"


def test_bars_are_as_long_as_times(profile: Profile) -> None:
    root = ET.fromstring(as_svg(profile))  # noqa: S314 - our own
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if "hsl" in e.get("fill", "")]
    dark = [float(bar.get("width", "")) for bar in bars[1::2]]
    assert dark[:3] == [dark[1] / 2, dark[1], dark[1] / 2]
    # Those without XNNPACK are on the same scale, and none is cut off.
    light = [float(bar.get("width", "")) for bar in bars[::2]]
    slowest = [time.ms for one in profile.operations if (time := one.times[1]) is not None]
    assert light[0] / dark[0] == pytest.approx(slowest[0] / 1.0, rel=0.01)
    texts = [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(re.fullmatch(r"2 <MEAN>  1×8×8×4", text) for text in texts)
    assert "1.000 ms, 25.0%, 3.0 GMAC/s" in texts


def test_times_of_short_calls_are_those_of_one() -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1

    found = several_ns(call, 5)
    assert len(found) == 5
    assert calls > 5 * 50
    assert max(found) * calls / 5 < 1e9


def test_summary_of_times() -> None:
    found = summary([2e6, 4e6, 9e6])
    assert (found.ms, found.median_ms, found.runs) == (2.0, 4.0, 3)
    assert found.deviation_ms == pytest.approx(3.6055513)
    assert summary([2e6]).deviation_ms == 0
