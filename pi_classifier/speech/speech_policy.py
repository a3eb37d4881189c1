"""When a label is better not said: it was said just now, or people sleep."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pi_classifier.speech.quiet_hours import QuietHours, clock_is_set, minute_of_day

_logger = logging.getLogger(__name__)


class Manners:
    """Decides whether a label may be said now; pure but for its clocks.

    A label is not said again within `cooldown_s` after it was said to its end; each label
    has its own. In `quiet_hours` nothing is said. While the time of day cannot be
    believed (`clock_set`) it is always time to speak: a voice that is silent by day is
    taken for broken, and the log says so once.
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
        self._believed = False
        self._told = False
        self._said_s: dict[str, float] = {}

    def quiet(self) -> bool:
        """Whether it is quiet hours."""
        return bool(self._quiet_hours) and self._believes() and self._covered()

    def may_say(self, label: str) -> bool:
        """Whether the label may be said now."""
        said_s = self._said_s.get(label)
        heard = said_s is not None and self._clock() - said_s < self._cooldown_s
        return not heard and not self.quiet()

    def said(self, label: str) -> None:
        """Note that the label was said to its end; may be called by another thread."""
        self._said_s[label] = self._clock()

    def _covered(self) -> bool:
        return self._quiet_hours.cover(self._minute())

    def _believes(self) -> bool:
        if not self._believed:
            self._believed = self._clock_set()
            if not self._believed and not self._told:
                self._told = True
                _logger.warning(
                    "speech: the clock of this computer is not set yet, so quiet hours are not "
                    "kept until it is; it is set over the network (timedatectl tells), or by a "
                    "clock module with a battery"
                )
        return self._believed
