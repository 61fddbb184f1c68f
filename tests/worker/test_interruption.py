from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from worker.interruption import ASK, HANDED_BACK, Interruption


def test_work_that_can_go_on_later_stops_at_once_other_work_after_the_grace() -> None:
    interruption = Interruption()
    interruption.grace = 0.2
    before = signal.getsignal(ASK)
    try:
        interruption.listen()
        assert not interruption.is_due(loses_work=False)
        os.kill(os.getpid(), ASK)
        assert interruption.is_due(loses_work=False)
        assert not interruption.is_due(loses_work=True)
        time.sleep(0.15)
        os.kill(os.getpid(), ASK)  # asking again does not begin the grace anew
        time.sleep(0.06)
        assert interruption.is_due(loses_work=True)
    finally:
        signal.signal(ASK, before)


def test_who_leaves_says_so_and_keeps_what_it_has_printed() -> None:
    code = "from worker.interruption import leave; print('last words'); leave()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (HANDED_BACK, "last words\n")
