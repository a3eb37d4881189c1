"""When a label is better not said: it was said just now, or it is quiet hours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pi_classifier.speech.quiet_hours import QuietHours, clock_is_set, minute_of_day

_logger = logging.getLogger(__name__)


class SpeechPolicy:
    """Decides whether a label may be said now; pure but for its clocks.

    A label is not said again within `cooldown_s` after it was said to its end; each label
    has its own cooldown, with each camera that has a name. In `quiet_hours` nothing is said.
    While the time of day cannot be trusted (`clock_set`) they are not kept: a voice that is
    silent by day is taken for broken. The log says so once.
    """

    def __init__(
        self,
        cooldown_s: float = 0.0,
        quiet_hours: QuietHours | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        minute: Callable[[], int] = minute_of_day,
        clock_set: Callable[[], bool] = clock_is_set,
    ) -> None:
        self._cooldown_s = cooldown_s
        self._quiet_hours = quiet_hours or QuietHours("")
        self._clock = clock
        self._minute = minute
        self._clock_set = clock_set
        self._clock_trusted = False
        self._warned = False
        self._spoken_s: dict[tuple[str, str], float] = {}

    def is_quiet(self) -> bool:
        """Whether it is quiet hours."""
        return (
            bool(self._quiet_hours)
            and self._trusts_clock()
            and self._quiet_hours.cover(self._minute())
        )

    def allows(self, label: str, camera: str = "") -> bool:
        """Whether the label may be said now."""
        spoken_s = self._spoken_s.get((camera, label))
        cooling_down = spoken_s is not None and self._clock() - spoken_s < self._cooldown_s
        return not cooling_down and not self.is_quiet()

    def note_spoken(self, label: str, camera: str = "") -> None:
        """Begin the label's cooldown: it was said to its end; any thread may call this."""
        self._spoken_s[camera, label] = self._clock()

    def _trusts_clock(self) -> bool:
        if not self._clock_trusted:
            self._clock_trusted = self._clock_set()
            if not self._clock_trusted and not self._warned:
                self._warned = True
                _logger.warning(
                    "speech: the clock of this computer is not set yet, so quiet hours are not "
                    "kept until it is; it is set over the network (see timedatectl), or by a "
                    "clock module with a battery"
                )
        return self._clock_trusted
