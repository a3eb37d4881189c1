"""The sink of all writers: its sink, its thread, what it counts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.sinks.queued_sink import QueuedSink, Writer
from pi_classifier.sinks.retry import Retry
from pi_classifier.types import Decision

LONG_S = 10.0


class SlowWriter(Writer[int]):
    """Writes the sequences of decisions; can be held up, and fails as often as `failing` says."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.entered = threading.Semaphore(0)
        self.free = threading.Event()
        self.free.set()
        self.failing = 0
        self.error: Exception = SinkError("out of order")
        self.stale: set[int] = set()
        self.begun_after: list[int] | None = None
        self.begin_error: Exception | None = None
        self.closed = 0

    def item(self, decision: Decision) -> int | None:
        return None if decision.label is None else decision.sequence

    def begin(self) -> None:
        assert self.begun_after is None
        self.begun_after = self.written.copy()
        if self.begin_error is not None:
            raise self.begin_error

    def write(self, item: int) -> None:
        self.entered.release()
        assert self.free.wait(LONG_S)
        if self.failing:
            self.failing -= 1
            raise self.error
        self.written.append(item)

    def wanted(self, item: int) -> bool:
        return item not in self.stale

    def close(self) -> None:
        self.closed += 1

    def hold(self) -> None:
        self.free.clear()

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=LONG_S)


@pytest.fixture
def writer() -> Iterator[SlowWriter]:
    slow = SlowWriter()
    yield slow
    slow.free.set()


def eager() -> Retry:
    return Retry("test", first_wait_s=0.001, longest_wait_s=0.001)


def patient() -> Retry:
    return Retry("test", first_wait_s=1000)


def test_delivers_in_order_and_flushes_at_close(writer: SlowWriter) -> None:
    sink = QueuedSink("test", writer)
    for item in range(100):
        sink.put(item)
    sink.close(LONG_S)
    assert writer.written == list(range(100))
    assert (sink.name, sink.dropped, sink.failures) == ("test", 0, 0)


def test_decisions_the_writer_makes_nothing_of_are_not_queued(writer: SlowWriter) -> None:
    sink = QueuedSink("test", writer)
    for sequence, label in enumerate(("daisy", None, "rose")):
        sink.emit(Decision(label, 0.9, sequence, sequence, 0, "fast"))
    sink.close(LONG_S)
    assert (writer.written, sink.dropped, writer.closed) == ([0, 2], 0, 1)


def test_full_queue_drops_the_newest_counts_and_says_so_once(
    writer: SlowWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.hold()
    sink = QueuedSink("test", writer, capacity=3)
    sink.put(0)
    writer.wait_until_entered()
    for item in range(1, 8):
        sink.put(item)
    assert sink.dropped == 4
    writer.free.set()
    sink.close(LONG_S)
    assert writer.written == [0, 1, 2, 3]
    assert [r.getMessage() for r in caplog.records] == [
        "test: too slow: 3 decisions are waiting, more are dropped and counted"
    ]


def test_failed_item_is_tried_again_before_later_ones(writer: SlowWriter) -> None:
    writer.failing = 3
    sink = QueuedSink("test", writer, retry=eager())
    sink.put(1)
    sink.put(2)
    for _ in range(5):
        writer.wait_until_entered()
    sink.close(LONG_S)
    assert writer.written == [1, 2]
    assert (sink.failures, sink.dropped) == (3, 0)


def test_waits_out_the_back_off_but_tries_once_more_at_close(writer: SlowWriter) -> None:
    writer.failing = 1
    sink = QueuedSink("test", writer, retry=patient())
    sink.put(1)
    writer.wait_until_entered()
    sink.put(2)
    sink.close(LONG_S)
    assert writer.written == [1, 2]


def test_busy_until_the_last_item_is_delivered(writer: SlowWriter) -> None:
    writer.hold()
    sink = QueuedSink("test", writer)
    assert not sink.busy
    sink.put(1)
    writer.wait_until_entered()
    assert sink.busy  # nothing waits, but one is on its way
    sink.put(2)
    writer.free.set()
    writer.wait_until_entered()
    sink.close(LONG_S)
    assert not sink.busy


def test_not_busy_while_a_failed_item_is_put_off(writer: SlowWriter) -> None:
    writer.failing = 1
    sink = QueuedSink("test", writer, retry=patient())
    sink.put(1)
    writer.wait_until_entered()
    while sink.busy:  # until the failure is noted
        pass
    sink.close(LONG_S)
    assert writer.written == [1]


def test_close_gives_up_on_a_writer_that_still_fails(writer: SlowWriter) -> None:
    writer.failing = 100
    sink = QueuedSink("test", writer, retry=patient())
    for item in range(4):
        sink.put(item)
    sink.close(LONG_S)
    assert writer.written == []
    assert sink.dropped == 4
    assert sink.failures in {1, 2}  # closing came before or after the first attempt


def test_close_does_not_wait_for_a_hung_writer(
    writer: SlowWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.hold()
    sink = QueuedSink("test", writer)
    sink.put(1)
    sink.put(2)
    writer.wait_until_entered()
    sink.close(0.01)
    assert (sink.dropped, writer.closed) == (1, 1)
    assert "2 decisions were not delivered" in caplog.text
    writer.free.set()
    sink.close(LONG_S)
    assert writer.written == [1]


def test_what_close_cuts_short_is_dropped_but_no_failure(
    writer: SlowWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.hold()
    writer.failing = 1
    sink = QueuedSink("test", writer, keep="latest")
    sink.put(1)
    writer.wait_until_entered()
    sink.close(0.01)
    writer.free.set()
    sink.close(LONG_S)
    assert (sink.dropped, sink.failures) == (1, 0)
    assert not caplog.records


def test_put_after_close_is_dropped(writer: SlowWriter) -> None:
    sink = QueuedSink("test", writer)
    sink.close(LONG_S)
    sink.close(LONG_S)
    sink.put(1)
    assert (writer.written, sink.dropped) == ([], 1)


def test_a_bug_in_a_sink_does_not_end_its_thread(
    writer: SlowWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.failing = 1
    writer.error = KeyError("oops")
    sink = QueuedSink("test", writer, retry=eager())
    sink.put(1)
    writer.wait_until_entered()
    writer.wait_until_entered()
    sink.close(LONG_S)
    assert writer.written == [1]
    assert "unexpected KeyError" in caplog.text


def test_begins_once_before_the_first_item_and_may_fail(
    writer: SlowWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.begin_error = SinkError("not now")
    sink = QueuedSink("test", writer, retry=eager())
    sink.put(1)
    sink.put(2)
    sink.close(LONG_S)
    assert (writer.begun_after, writer.written, sink.failures) == ([], [1, 2], 1)
    assert "test: not now" in caplog.text


def test_latest_replaces_what_waits(writer: SlowWriter, caplog: pytest.LogCaptureFixture) -> None:
    writer.hold()
    sink = QueuedSink("test", writer, keep="latest")
    sink.put(0)
    writer.wait_until_entered()
    for item in range(1, 5):
        sink.put(item)
    assert sink.dropped == 3
    writer.free.set()
    sink.close(LONG_S)
    assert writer.written == [0, 4]
    assert not caplog.records


class Outage:
    """A sink whose first attempt fails; the next is due when the clock says so."""

    def __init__(self, writer: SlowWriter, *, wait_s: float) -> None:
        self.now_s = 0.0
        failed = threading.Event()

        class Noting(Retry):
            def failed(self, error: Exception) -> None:
                super().failed(error)
                failed.set()

        writer.failing = 1
        retry = Noting("test", first_wait_s=wait_s, clock=lambda: self.now_s)
        self.sink = QueuedSink("test", writer, retry=retry, keep="latest")
        self.sink.put(1)
        assert failed.wait(LONG_S)


def test_latest_is_tried_again_after_a_failure(writer: SlowWriter) -> None:
    outage = Outage(writer, wait_s=0.0)
    while not writer.written:
        pass
    outage.sink.close(LONG_S)
    assert writer.written == [1]
    assert (outage.sink.failures, outage.sink.dropped) == (1, 0)


def test_after_an_outage_comes_the_newest(writer: SlowWriter) -> None:
    outage = Outage(writer, wait_s=1000.0)
    outage.sink.put(2)
    outage.now_s = 1000.0
    outage.sink.put(3)
    outage.sink.close(LONG_S)
    assert writer.written == [3]
    assert outage.sink.dropped == 2


def test_what_failed_and_is_not_wanted_any_more_is_dropped(writer: SlowWriter) -> None:
    writer.stale.add(1)
    outage = Outage(writer, wait_s=0.0)
    outage.sink.close(LONG_S)
    assert writer.written == []
    assert (outage.sink.failures, outage.sink.dropped) == (1, 1)


def test_what_is_not_wanted_is_still_written_where_nothing_failed(writer: SlowWriter) -> None:
    writer.stale.add(1)
    sink = QueuedSink("test", writer, keep="latest")
    sink.put(1)
    sink.close(LONG_S)
    assert (writer.written, sink.dropped) == ([1], 0)


def test_closing_leaves_no_time_for_another_attempt(
    writer: SlowWriter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    outage = Outage(writer, wait_s=1000.0)
    outage.sink.put(2)
    outage.sink.close(LONG_S)
    assert writer.written == []
    assert (outage.sink.failures, outage.sink.dropped) == (1, 2)
    assert len(caplog.records) == 1
