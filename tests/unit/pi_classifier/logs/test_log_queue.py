"""The log's queue: it never waits, keeps the order, counts what it drops, and ends in time."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.logs.log_queue import Entry, LogQueue

TraceFunction: TypeAlias = Callable[[FrameType, str, Any], Any]

LONG_S = 10.0
SHORT_S = 0.001


class Target:
    """Takes entries, or not; `tried` is set with every attempt."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.texts: list[str] = []
        self.tried = threading.Event()

    def write(self, entry: Entry) -> None:
        self.tried.set()
        if not self.works:
            raise SinkError("away")
        self.texts.append(entry.text)

    def write_at_once(self, entry: Entry) -> bool:
        if self.works:
            self.texts.append(entry.text)
        return self.works


class Hung(Target):
    """Takes nothing until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def write(self, entry: Entry) -> None:
        self.tried.set()
        assert self.release.wait(LONG_S)
        super().write(entry)


def entry(text: str) -> Entry:
    return Entry(text, {})


def missing(count: int) -> Entry:
    return entry(f"{count} missing")


def test_keeps_the_order() -> None:
    target = Target()
    queue = LogQueue(target.write, missing=missing)
    for number in range(100):
        queue.put(entry(str(number)))
    assert queue.close(LONG_S)
    assert queue.close(LONG_S)
    assert target.texts == [str(number) for number in range(100)]
    assert queue.dropped == 0


def test_tries_again_until_the_target_is_back() -> None:
    target = Target(works=False)
    queue = LogQueue(target.write, missing=missing, retry_s=SHORT_S)
    queue.put(entry("a"))
    queue.put(entry("b"))
    for _ in range(3):
        assert target.tried.wait(LONG_S)
        target.tried.clear()
    target.works = True
    queue.close(LONG_S)
    assert target.texts == ["a", "b"]


def test_what_does_not_fit_is_counted_and_its_number_takes_its_place() -> None:
    target = Hung()
    queue = LogQueue(target.write, missing=missing, capacity=2)
    for text in "abcde":
        queue.put(entry(text))
    assert queue.dropped == 3
    target.release.set()
    assert queue.flush(LONG_S)
    queue.put(entry("f"))
    queue.close(LONG_S)
    assert target.texts == ["a", "b", "3 missing", "f"]
    assert queue.dropped == 3


def test_the_number_is_told_at_the_end_when_nothing_follows() -> None:
    target = Hung()
    queue = LogQueue(target.write, missing=missing, capacity=1)
    queue.put(entry("a"))
    queue.put(entry("b"))
    target.release.set()
    queue.close(LONG_S)
    assert target.texts == ["a", "1 missing"]


def test_flush_waits_for_what_was_put_before() -> None:
    target = Hung()
    queue = LogQueue(target.write, missing=missing)
    queue.put(entry("a"))
    assert not queue.flush(SHORT_S)
    assert queue.busy
    target.release.set()
    assert queue.flush(LONG_S)
    assert target.texts == ["a"]
    assert not queue.busy
    queue.close(LONG_S)
    assert queue.flush(LONG_S)


def test_what_cannot_be_written_at_the_end_goes_to_the_fallback() -> None:
    target, fallback = Target(works=False), Target()
    queue = LogQueue(
        target.write, missing=missing, fallback=fallback.write_at_once, retry_s=LONG_S
    )
    queue.put(entry("a"))
    queue.put(entry("b"))
    queue.close(LONG_S)
    queue.put(entry("c"))
    assert fallback.texts == ["a", "b", "c"]
    assert queue.dropped == 0


def test_what_the_fallback_cannot_write_either_is_counted() -> None:
    target = Target(works=False)
    queue = LogQueue(target.write, missing=missing, fallback=target.write_at_once, retry_s=LONG_S)
    queue.put(entry("a"))
    queue.close(LONG_S)
    queue.put(entry("b"))
    assert queue.dropped == 2


def test_a_hung_target_holds_nobody_up() -> None:
    target = Hung()
    queue = LogQueue(target.write, missing=missing, capacity=10)
    for _ in range(1000):
        queue.put(entry("x"))
    assert target.tried.wait(LONG_S)
    assert not queue.close(SHORT_S)
    assert queue.dropped == 990
    target.release.set()
    assert queue.close(LONG_S)


def test_a_fault_costs_one_entry_and_not_the_log() -> None:
    target = Target()

    def write(each: Entry) -> None:
        if each.text == "bad":
            raise ValueError(each)
        target.write(each)

    queue = LogQueue(write, missing=missing)
    for text in ("a", "bad", "b"):
        queue.put(entry(text))
    queue.close(LONG_S)
    assert target.texts == ["a", "b"]
    assert queue.dropped == 1


def test_a_log_call_may_interrupt_another_one_at_any_line() -> None:
    """As a destructor that logs does: a lock taken by `put` would never be let go."""
    target = Target()
    queue = LogQueue(target.write, missing=missing)
    interrupted: list[int] = []

    def interrupt(frame: FrameType, event: str, _argument: object) -> TraceFunction:
        if event == "line" and frame.f_lineno not in interrupted:
            interrupted.append(frame.f_lineno)
            queue.put(entry("inner"))
        return interrupt

    def put() -> None:
        sys.settrace(interrupt)
        queue.put(entry("outer"))
        sys.settrace(None)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(LONG_S)
    assert not thread.is_alive()
    queue.close(LONG_S)
    assert len(interrupted) > 5
    assert target.texts.count("inner") == len(interrupted)
    assert target.texts.count("outer") == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_logs_for_itself() -> None:
    reading, writing = os.pipe()
    target = Hung()

    def write(each: Entry) -> None:
        if os.getpid() == parent:
            target.write(each)
        else:
            os.write(writing, each.text.encode() + b"\n")

    parent = os.getpid()
    queue = LogQueue(write, missing=missing)
    queue.put(entry("the parent's"))
    child = os.fork()
    if child == 0:
        queue.put(entry("the child's"))
        os._exit(not queue.flush(LONG_S))
    assert os.waitpid(child, 0)[1] == 0
    target.release.set()
    queue.close(LONG_S)
    os.close(writing)
    with os.fdopen(reading) as lines:
        assert lines.read() == "the child's\n"
    assert target.texts == ["the parent's"]
