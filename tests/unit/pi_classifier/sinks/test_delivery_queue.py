"""The queue behind every sink that may block."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.sinks.delivery_queue import DeliveryQueue
from pi_classifier.sinks.retry import Retry

LONG_S = 10.0


class Backend:
    """Takes items; can be held up, and fails as often as `failing` says."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.entered = threading.Semaphore(0)
        self.free = threading.Event()
        self.free.set()
        self.failing = 0
        self.error: Exception = SinkError("out of order")

    def __call__(self, item: int) -> None:
        self.entered.release()
        assert self.free.wait(LONG_S)
        if self.failing:
            self.failing -= 1
            raise self.error
        self.taken.append(item)

    def hold(self) -> None:
        self.free.clear()

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=LONG_S)


@pytest.fixture
def backend() -> Iterator[Backend]:
    found = Backend()
    yield found
    found.free.set()


def eager() -> Retry:
    return Retry("test", first_wait_s=0.001, longest_wait_s=0.001)


def patient() -> Retry:
    return Retry("test", first_wait_s=1000)


def test_delivers_in_order_and_flushes_at_close(backend: Backend) -> None:
    queue = DeliveryQueue("test", backend)
    for item in range(100):
        queue.put(item)
    assert queue.close(LONG_S)
    assert backend.taken == list(range(100))
    assert (queue.delivered, queue.dropped) == (100, 0)


def test_full_queue_drops_the_newest_counts_and_says_so_once(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.hold()
    queue = DeliveryQueue("test", backend, capacity=3)
    queue.put(0)
    backend.wait_until_entered()
    for item in range(1, 8):
        queue.put(item)
    assert queue.dropped == 4
    backend.free.set()
    assert queue.close(LONG_S)
    assert backend.taken == [0, 1, 2, 3]
    assert [r.getMessage() for r in caplog.records] == [
        "test: too slow, 3 decisions wait; more are dropped and counted"
    ]


def test_failed_item_is_tried_again_before_later_ones(backend: Backend) -> None:
    backend.failing = 3
    queue = DeliveryQueue("test", backend, retry=eager())
    queue.put(1)
    queue.put(2)
    for _ in range(5):
        backend.wait_until_entered()
    assert queue.close(LONG_S)
    assert backend.taken == [1, 2]
    assert (queue.failures, queue.dropped) == (3, 0)


def test_waits_out_the_back_off_but_tries_once_more_at_close(backend: Backend) -> None:
    backend.failing = 1
    queue = DeliveryQueue("test", backend, retry=patient())
    queue.put(1)
    backend.wait_until_entered()
    queue.put(2)
    assert queue.close(LONG_S)
    assert backend.taken == [1, 2]


def test_busy_until_the_last_item_is_delivered(backend: Backend) -> None:
    backend.hold()
    queue = DeliveryQueue("test", backend)
    assert not queue.busy
    queue.put(1)
    backend.wait_until_entered()
    assert queue.busy  # nothing waits, but one is on its way
    queue.put(2)
    backend.free.set()
    backend.wait_until_entered()
    assert queue.close(LONG_S)
    assert not queue.busy


def test_not_busy_while_a_failed_item_is_put_off(backend: Backend) -> None:
    backend.failing = 1
    queue = DeliveryQueue("test", backend, retry=patient())
    queue.put(1)
    backend.wait_until_entered()
    while queue.busy:  # until the failure is noted
        pass
    assert queue.close(LONG_S)
    assert backend.taken == [1]


def test_close_gives_up_on_a_backend_that_still_fails(backend: Backend) -> None:
    backend.failing = 100
    queue = DeliveryQueue("test", backend, retry=patient())
    for item in range(4):
        queue.put(item)
    assert queue.close(LONG_S)
    assert backend.taken == []
    assert (queue.delivered, queue.dropped) == (0, 4)


def test_close_does_not_wait_for_a_hung_backend(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.hold()
    queue = DeliveryQueue("test", backend)
    queue.put(1)
    queue.put(2)
    backend.wait_until_entered()
    assert not queue.close(0.01)
    assert queue.dropped == 1
    assert "2 decisions were not delivered" in caplog.text
    backend.free.set()
    assert queue.close(LONG_S)
    assert backend.taken == [1]


def test_put_after_close_is_dropped(backend: Backend) -> None:
    queue = DeliveryQueue("test", backend)
    assert queue.close(LONG_S)
    assert queue.close(LONG_S)
    queue.put(1)
    assert (backend.taken, queue.dropped) == ([], 1)


def test_a_bug_in_a_sink_does_not_end_its_thread(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.failing = 1
    backend.error = KeyError("oops")
    queue = DeliveryQueue("test", backend, retry=eager())
    queue.put(1)
    backend.wait_until_entered()
    backend.wait_until_entered()
    assert queue.close(LONG_S)
    assert backend.taken == [1]
    assert "unexpected KeyError" in caplog.text


def test_begins_once_before_the_first_item_and_may_fail(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[list[int]] = []

    def begin() -> None:
        begun.append(backend.taken.copy())
        raise SinkError("not now")

    queue = DeliveryQueue("test", backend, retry=eager(), begin=begin)
    queue.put(1)
    queue.put(2)
    assert queue.close(LONG_S)
    assert (begun, backend.taken, queue.failures) == ([[]], [1, 2], 1)
    assert "test: not now" in caplog.text


def test_latest_replaces_what_waits(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    backend.hold()
    queue = DeliveryQueue("test", backend, keep="latest")
    queue.put(0)
    backend.wait_until_entered()
    for item in range(1, 5):
        queue.put(item)
    assert queue.dropped == 3
    backend.free.set()
    assert queue.close(LONG_S)
    assert backend.taken == [0, 4]
    assert not caplog.records


class Outage:
    """A queue whose first attempt fails; the next is due when the clock says so."""

    def __init__(
        self, backend: Backend, *, wait_s: float, still_wanted: Callable[[int], bool]
    ) -> None:
        self.now_s = 0.0
        failed = threading.Event()

        class Noting(Retry):
            def failed(self, error: Exception) -> None:
                super().failed(error)
                failed.set()

        backend.failing = 1
        retry = Noting("test", first_wait_s=wait_s, clock=lambda: self.now_s)
        self.queue = DeliveryQueue(
            "test", backend, retry=retry, keep="latest", still_wanted=still_wanted
        )
        self.queue.put(1)
        assert failed.wait(LONG_S)


def test_latest_is_tried_again_after_a_failure(backend: Backend) -> None:
    outage = Outage(backend, wait_s=0.0, still_wanted=lambda _: True)
    while not backend.taken:
        pass
    assert outage.queue.close(LONG_S)
    assert backend.taken == [1]
    assert (outage.queue.failures, outage.queue.dropped) == (1, 0)


def test_after_an_outage_comes_the_newest(backend: Backend) -> None:
    outage = Outage(backend, wait_s=1000.0, still_wanted=lambda _: True)
    outage.queue.put(2)
    outage.now_s = 1000.0
    outage.queue.put(3)
    assert outage.queue.close(LONG_S)
    assert backend.taken == [3]
    assert outage.queue.dropped == 2


def test_what_failed_and_is_not_wanted_any_more_is_dropped(backend: Backend) -> None:
    outage = Outage(backend, wait_s=0.0, still_wanted=lambda _: False)
    assert outage.queue.close(LONG_S)
    assert backend.taken == []
    assert (outage.queue.failures, outage.queue.dropped) == (1, 1)


def test_what_waits_for_another_attempt_can_be_withdrawn(backend: Backend) -> None:
    outage = Outage(backend, wait_s=1000.0, still_wanted=lambda _: True)
    outage.queue.withdraw()
    assert outage.queue.dropped == 1
    outage.now_s = 1000.0
    outage.queue.put(2)
    outage.queue.withdraw()  # nothing has failed: it stays
    assert outage.queue.close(LONG_S)
    assert backend.taken == [2]


def test_closing_leaves_no_time_for_another_attempt(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    outage = Outage(backend, wait_s=1000.0, still_wanted=lambda _: True)
    outage.queue.put(2)
    assert outage.queue.close(LONG_S)
    assert backend.taken == []
    assert (outage.queue.failures, outage.queue.dropped) == (1, 2)
    assert len(caplog.records) == 1
