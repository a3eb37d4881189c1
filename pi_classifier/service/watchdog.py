"""Whether the service is alive, judged by frames that have passed and nothing else."""

from __future__ import annotations

# A ping is due this often within the time after which the service manager acts,
# so that one that comes late is no death sentence.
_PINGS_PER_LIMIT = 4
_NS_PER_S = 1_000_000_000


class Watchdog:
    """Pure: says when to ping. Without a frame since the last ping there is none.

    Unless the frame thread is knowingly at work, within the time it asked for:
    then a ping may be sent without a frame.
    """

    def __init__(self, limit_s: float, now_s: float) -> None:
        self._every_s = limit_s / _PINGS_PER_LIMIT
        self._stuck_after_s = limit_s / 2
        self._frames = -1
        self._pinged_s = now_s - limit_s
        self._alive_s = now_s
        self._reported = False

    def ping_due(self, frames: int, allowed_until_s: float, now_s: float) -> bool:
        """Whether to ping now, given the number of frames that have passed so far."""
        alive = frames != self._frames or now_s < allowed_until_s
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
