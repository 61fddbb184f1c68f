"""A job that does not look up from a long computation is interrupted in the middle of it when somebody cancels it.

Sampling and training look at every step whether they shall stop, and so do most parts of a report. Reading a large
table, or sorting its values, does not: there a signal raises Cancelled between two instructions of the interpreter.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from model.spec.errors import Cancelled

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 0.6
"""Left to the job to hear the wish by itself; also between two interruptions, should one be lost on the way."""

_SIGNAL = signal.SIGUSR2


@dataclass
class Watch:
    """What became of a watched block. After `interrupted` the process is best replaced: libraries may not expect it."""

    interrupted: bool = False
    armed: bool = False

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """In the main thread: leave what is being done."""
        if self.armed:
            self.armed, self.interrupted = False, True
            raise Cancelled("the job was cancelled in the middle of a computation")


@contextmanager
def watched(wish: Callable[[], bool]) -> Iterator[Watch]:
    """Raise Cancelled in this block, wherever it is, soon after `wish` comes true; `wish` is asked in a thread.

    Does nothing outside the main thread, which alone hears signals.
    """
    watch, over = Watch(), threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = signal.signal(_SIGNAL, watch.on_signal)
    thread = threading.Thread(target=_look, args=(wish, watch, over), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        watch.armed = False
        thread.join()
        watch.armed = False  # it may have been set while we waited
        signal.signal(_SIGNAL, before)


def _look(wish: Callable[[], bool], watch: Watch, over: threading.Event) -> None:
    wished: float | None = None
    while not over.wait(POLL_SECONDS):
        if wished is None and wish():
            wished = time.monotonic()
        if wished is not None and time.monotonic() - wished >= PATIENCE_SECONDS and not over.is_set():
            wished = time.monotonic()
            watch.armed = True
            signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
