"""Quiet hours: by the local time of day, and only once the clock can be trusted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from pi_classifier.errors import ConfigError

_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2}) ?- ?([0-9]{1,2}):([0-9]{2})")
_DAY_MIN = 24 * 60

# systemd-timesyncd makes the folder when it starts and the file when the time is right.
_TIMESYNC = Path("/run/systemd/timesync")
_SYNCHRONIZED = _TIMESYNC / "synchronized"
_CLOCKS = Path("/sys/class/rtc")
# Before this no version of this program existed: the clock was never set.
_PROGRAM_EPOCH_S = 1_735_689_600.0  # 2025-01-01


class QuietHours:
    """Spans of the day, such as "22:00-07:00" or "13:00-14:30, 22:00-07:00"; "" is none.

    A span that ends before it begins goes over midnight; its end does not belong to it.
    Only the local time of day counts, so a change to summer time needs no rule.
    Raises `ConfigError` for anything else.
    """

    def __init__(self, text: str) -> None:
        self._spans = [_span(text, part.strip()) for part in text.split(",")] if text else []

    def __bool__(self) -> bool:
        return bool(self._spans)

    def cover(self, minute: int) -> bool:
        """Whether the minute of the day, 0 to 1439, is a quiet one."""
        return any(
            begin <= minute < end if begin < end else minute >= begin or minute < end
            for begin, end in self._spans
        )


def minute_of_day(now_s: Callable[[], float] = time.time) -> int:
    """The minute of the local day; a time zone that was changed meanwhile is noticed."""
    time.tzset()
    local = time.localtime(now_s())
    return local.tm_hour * 60 + local.tm_min


def clock_is_set(now_s: Callable[[], float] = time.time) -> bool:
    """Whether the time of day can be trusted.

    Boards without a battery start with the time they were switched off at. It cannot be
    trusted while systemd-timesyncd has not reached a time server yet, unless the kernel took
    the time from a battery-backed clock. Where another program keeps the time, any that
    is not before this program was made is trusted.
    """
    if now_s() < _PROGRAM_EPOCH_S:
        return False
    if not _TIMESYNC.is_dir() or _SYNCHRONIZED.exists():
        return True
    return any(_holds_1(clock) for clock in _CLOCKS.glob("rtc*/hctosys"))


def _holds_1(path: Path) -> bool:
    try:
        return path.read_text().strip() == "1"
    except OSError:
        return False


def _span(text: str, part: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(part)
    if match is not None:
        hours, minutes, until_hours, until_minutes = (int(number) for number in match.groups())
        begin, end = hours * 60 + minutes, until_hours * 60 + until_minutes
        if max(minutes, until_minutes) < 60 and begin < _DAY_MIN and end <= _DAY_MIN:
            return begin, end
    raise ConfigError(
        f"speech.quiet_hours = {text!r}: expected times of day such as 22:00-07:00, "
        "several with commas between"
    )
