"""Quiet hours: spans of the day, midnight, summer time, and a clock that is not set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import ConfigError
from pi_classifier.speech import quiet_hours
from pi_classifier.speech.quiet_hours import QuietHours, clock_is_set, minute_of_day

NIGHT = QuietHours("22:00-07:00")
MINUTES = st.sampled_from([0, 1, 419, 420, 421, 780, 869, 870, 1319, 1320, 1321, 1439])
NOW_S = 1_800_000_000.0


def at(hour: int, minute: int = 0) -> int:
    return 60 * hour + minute


@given(MINUTES)
def test_over_midnight(minute: int) -> None:
    assert NIGHT.cover(minute) == (minute >= at(22) or minute < at(7))


@given(MINUTES)
def test_within_a_day_and_several(minute: int) -> None:
    both = QuietHours("13:00-14:30, 22:00 - 7:00")
    assert both.cover(minute) == (at(13) <= minute < at(14, 30) or NIGHT.cover(minute))


@given(MINUTES)
def test_none_and_always(minute: int) -> None:
    assert not QuietHours("")
    assert not QuietHours("").cover(minute)
    assert QuietHours("00:00-24:00").cover(minute)
    assert QuietHours("06:00-06:00").cover(minute)


@pytest.mark.parametrize(
    "text",
    ["22-07", "22:00", "22:00-25:00", "24:00-07:00", "22:60-07:00", "22:00-07:60", "x", ","],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"speech\.quiet_hours = .*such as 22:00-07:00"):
        QuietHours(text)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("moment", "minute"),
    [
        # In the night to 29 March 2026 the clock goes from 2:00 to 3:00, ...
        ("2026-03-29T00:59:59+00:00", at(1, 59)),
        ("2026-03-29T01:00:00+00:00", at(3)),
        ("2026-03-29T05:00:00+00:00", at(7)),
        # ... and to 25 October from 3:00 back to 2:00: 2:30 comes twice.
        ("2026-10-25T00:30:00+00:00", at(2, 30)),
        ("2026-10-25T01:30:00+00:00", at(2, 30)),
        ("2026-10-25T05:59:00+00:00", at(6, 59)),
        ("2026-10-25T06:00:00+00:00", at(7)),
    ],
)
def test_summer_time_changes_nothing(berlin: None, moment: str, minute: int) -> None:
    now = datetime.fromisoformat(moment)
    assert minute_of_day(now.timestamp) == minute
    local = now.astimezone(ZoneInfo("Europe/Berlin"))
    assert NIGHT.cover(minute) == (local.hour >= 22 or local.hour < 7)


def test_a_changed_time_zone_is_noticed(berlin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.fromisoformat("2026-07-01T12:00:00+00:00")
    assert minute_of_day(now.timestamp) == at(14)
    monkeypatch.setenv("TZ", "America/New_York")
    assert minute_of_day(now.timestamp) == at(8)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board whose time is kept by systemd-timesyncd, and that has no clock of its own."""
    timesync = tmp_path / "timesync"
    timesync.mkdir()
    monkeypatch.setattr(quiet_hours, "_TIMESYNC", timesync)
    monkeypatch.setattr(quiet_hours, "_SYNCHRONIZED", timesync / "synchronized")
    monkeypatch.setattr(quiet_hours, "_CLOCKS", tmp_path)
    return tmp_path


def test_the_clock_is_trusted_once_it_was_set(board: Path) -> None:
    assert not clock_is_set(lambda: NOW_S)
    (board / "timesync/synchronized").touch()
    assert clock_is_set(lambda: NOW_S)
    assert not clock_is_set(lambda: 3600.0)


@pytest.mark.parametrize(("took", "trusted"), [("1", True), ("0", False)])
def test_a_clock_with_a_battery_is_trusted(board: Path, took: str, trusted: bool) -> None:
    (board / "rtc0").mkdir()
    (board / "rtc0/hctosys").write_text(f"{took}\n")
    assert clock_is_set(lambda: NOW_S) is trusted


def test_where_another_program_keeps_the_time_it_is_trusted(board: Path) -> None:
    (board / "timesync").rmdir()
    assert clock_is_set(lambda: NOW_S)
    assert not clock_is_set(lambda: 0.0)
