"""What every sink does about a failure: say it once, count it, try again ever less often."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pi_classifier.logs.events import Event, entry

_logger = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0


class Retry:
    """Spaces out the attempts of one sink: 1 s after the first failure, then doubling to 5 min.

    The first failure of an outage is logged as a warning, the rest only counted;
    the end of the outage is logged with their number. `clock` gives seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._outage = 0
        self._not_before_s = 0.0
        self.failures = 0

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._outage > 0

    def wait_s(self) -> float:
        """How long until the next attempt is due; 0.0 when it is due now."""
        return max(0.0, self._not_before_s - self._clock()) if self._outage else 0.0

    def failed(self, error: Exception) -> None:
        """Count a failed attempt and put off the next one."""
        # The exponent is bounded: an outage may last for years.
        wait_s = min(self._first_wait_s * 2.0 ** min(self._outage, 64), self._longest_wait_s)
        if not self._outage:
            fields = entry(Event.SINK_FAILED, SINK=self._name)
            _logger.warning("%s: %s", self._name, error, extra=fields)
        self._outage += 1
        self.failures += 1
        self._not_before_s = self._clock() + wait_s

    def succeeded(self) -> None:
        """Note that an attempt worked: the next failure is a new outage."""
        if self._outage:
            fields = entry(Event.SINK_RECOVERED, SINK=self._name, FAILURES=self._outage)
            times = "1 failure" if self._outage == 1 else f"{self._outage} failures"
            _logger.info("%s: works again after %s", self._name, times, extra=fields)
            self._outage = 0
