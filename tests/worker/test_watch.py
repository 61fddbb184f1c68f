from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

import pytest

from model.spec.errors import Cancelled
from worker import watch
from worker.watch import watched


def deaf(seconds: float) -> None:
    """Work that asks nobody."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def test_a_deaf_computation_is_left_soon_after_the_wish() -> None:
    begin = time.monotonic()
    with pytest.raises(Cancelled, match="middle"), watched(lambda: time.monotonic() - begin > 0.5) as seen:
        deaf(20)
    assert 1.0 < time.monotonic() - begin < 10  # of 20
    assert seen.interrupted


def test_an_interruption_that_is_swallowed_comes_again() -> None:
    begin = time.monotonic()

    def work() -> None:
        with suppress(Exception):  # as the report does, where a figure breaks
            deaf(20)
        deaf(20)

    with pytest.raises(Cancelled), watched(lambda: True):
        work()
    assert time.monotonic() - begin < 15  # of 40


def test_who_hears_by_himself_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    with watched(lambda: True) as seen:
        time.sleep(watch.PATIENCE_SECONDS / 2)
    time.sleep(2 * watch.PATIENCE_SECONDS)
    assert not seen.interrupted
    assert signal.getsignal(signal.SIGUSR2) == before
    assert threading.active_count() == 1 or all("_look" not in thread.name for thread in threading.enumerate())


def test_outside_the_main_thread_nothing_is_watched() -> None:
    done = []

    def work() -> None:
        with watched(lambda: True):
            deaf(1.2)
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done
