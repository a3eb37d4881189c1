"""Whether the service is alive, judged by frames that have passed and nothing else."""

from __future__ import annotations

# A ping is due this often within the time after which the service manager acts, so that
# the service survives one that comes late.
_PINGS_PER_LIMIT = 4


class Watchdog:
    """Decides when to ping the service manager; `limit_s` is the manager's own limit.

    A ping needs a frame since the last one, unless the frame thread has said what it
    waits for and its deadline is not over. All times are seconds on one monotonic clock.
    """

    def __init__(self, limit_s: float, now_s: float) -> None:
        self._every_s = limit_s / _PINGS_PER_LIMIT
        self._stuck_after_s = limit_s / 2
        self._frames = -1
        self._pinged_s = now_s - limit_s
        self._alive_s = now_s
        self._reported = False

    def ping_due(self, frames: int, deadline_s: float, now_s: float) -> bool:
        """Whether to ping now, given the number of frames that have passed so far."""
        alive = frames != self._frames or now_s < deadline_s
        if alive:
            self._alive_s = now_s
            self._reported = False
        if not alive or now_s - self._pinged_s < self._every_s:
            return False
        self._frames = frames
        self._pinged_s = now_s
        return True

    def stuck_s(self, now_s: float) -> float | None:
        """How long nothing has passed, once for each time that is worrying; else None."""
        without_s = now_s - self._alive_s
        if self._reported or without_s < self._stuck_after_s:
            return None
        self._reported = True
        return without_s


def sufficient_limit_s(limit_s: float, timeout_s: float, fps: float) -> float:
    """The watchdog's limit in seconds that leaves a camera the time it is granted.

    A camera may take `timeout_s` to be called failed, and a frame `1 / fps`: twice
    both must fit, else merely waiting would look like a hang.
    """
    return max(limit_s, 2 * (timeout_s + 1 / fps))
