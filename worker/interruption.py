"""How the horse hears that its worker shall end: a signal sets a flag, at which running jobs look between steps."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

ASK = signal.SIGUSR1
"""What the parent sends to its horse when it is told to end itself."""

HANDED_BACK = os.EX_TEMPFAIL
"""Exit status of a horse that has put its job down: it is to run again, and has not failed."""


class Interruption:
    """Whether, and since when, this process has been asked to put its job down."""

    def __init__(self) -> None:
        self.grace = 0.0
        """Seconds for which a job goes on that would have to begin anew: it may be about to end."""
        self._since: float | None = None

    def listen(self) -> None:
        """From now on, obey the signal. In the main thread."""
        signal.signal(ASK, self._ask)

    def is_due(self, *, loses_work: bool) -> bool:
        """Whether a job shall stop now; one that loses its work by it is left some time."""
        if self._since is None:
            return False
        return not loses_work or time.monotonic() - self._since >= self.grace

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._since is None:
            self._since = time.monotonic()


INTERRUPTION = Interruption()
"""Of this process: a signal reaches the process as a whole."""


def leave() -> NoReturn:
    """End this process at once, in the middle of RQ's task: its parent then puts the job back at the front."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(HANDED_BACK)
