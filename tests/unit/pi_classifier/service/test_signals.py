"""Signals reach the watcher thread, never the handler; the second one forces."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pi_classifier.service.signals import SIGNALS, StopOnSignal


class Recorder:
    """What was asked, by which thread, and an event to wait for it."""

    def __init__(self) -> None:
        self.happened = threading.Event()
        self.calls: list[tuple[object, str]] = []

    def __call__(self, what: object = "stop") -> None:
        self.calls.append((what, threading.current_thread().name))
        self.happened.set()

    def wait(self) -> None:
        assert self.happened.wait(5)


@pytest.mark.parametrize("signum", SIGNALS)
def test_the_first_signal_stops_from_the_watcher_thread(signum: signal.Signals) -> None:
    stop, force = Recorder(), Recorder()
    with StopOnSignal(force) as watcher:
        watcher.on_stop(stop)
        os.kill(os.getpid(), signum)
        stop.wait()
        assert watcher.received == signum
    assert stop.calls == [("stop", "signals")]
    assert force.calls == []


def test_the_second_signal_forces() -> None:
    stop, force = Recorder(), Recorder()
    with StopOnSignal(force) as watcher:
        watcher.on_stop(stop)
        os.kill(os.getpid(), signal.SIGTERM)
        stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        force.wait()
        assert watcher.received == signal.SIGTERM
    assert force.calls == [(signal.SIGINT, "signals")]
    assert len(stop.calls) == 1


def test_a_signal_before_there_is_anything_to_stop_is_not_lost() -> None:
    stop = Recorder()
    with StopOnSignal(Recorder()) as watcher:
        os.kill(os.getpid(), signal.SIGTERM)
        while watcher.received is None:
            pass
        watcher.on_stop(stop)
    assert stop.calls == [("stop", threading.current_thread().name)]


def test_a_main_thread_that_holds_a_lock_is_no_deadlock() -> None:
    """The reason for the wakeup descriptor: the stop takes a lock that main holds."""
    lock, stopped = threading.Lock(), threading.Event()

    def stop() -> None:
        with lock:
            stopped.set()

    with StopOnSignal(Recorder()) as watcher:
        watcher.on_stop(stop)
        with lock:
            os.kill(os.getpid(), signal.SIGINT)
            while watcher.received is None:
                pass
            assert not stopped.is_set()
        assert stopped.wait(5)


def test_other_signals_pass_by() -> None:
    stop = Recorder()
    seen: list[int] = []
    previous = signal.signal(signal.SIGUSR1, lambda signum, _: seen.append(signum))
    try:
        with StopOnSignal(Recorder()) as watcher:
            watcher.on_stop(stop)
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGTERM)
            stop.wait()
            assert watcher.received == signal.SIGTERM
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert seen == [signal.SIGUSR1]


def test_the_former_handlers_come_back() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    threads = threading.active_count()
    with StopOnSignal(Recorder()):
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
    assert [signal.getsignal(signum) for signum in SIGNALS] == before
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1
