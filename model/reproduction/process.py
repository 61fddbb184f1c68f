"""A training or a run in a process of its own: it tells how far it is, and why it failed if it did."""

from __future__ import annotations

import ctypes
import os
import signal
from multiprocessing.connection import Connection
from typing import Literal

import torch

from model.evaluation.measure import place_of
from model.reproduction.runs import Job, run_job, train_job
from model.reproduction.source import read_source
from model.spec.errors import Cancelled, CDMTError, Interrupted

Kind = Literal["train", "run"]
PR_SET_PDEATHSIG = 1
SHARES: dict[Kind, dict[str, tuple[float, float]]] = {
    "train": {"training": (0.0, 1.0)},
    "run": {"training": (0.0, 0.0), "sampling": (0.0, 0.5), "evaluating": (0.5, 0.8), "learning from stays": (0.8, 1)},
}
"""From which to which part of the work each of its steps goes, about."""


class Signalled:
    """Whether this process was asked to end; to be asked between two steps of work."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent passes it on
        signal.signal(signal.SIGTERM, self._listen)

    def _listen(self, _number: int, _frame: object) -> None:
        self.asked = True

    def __call__(self) -> bool:
        """False, or Interrupted: what has been reached is then kept for whoever goes on."""
        if self.asked:
            raise Interrupted("the process was asked to end")
        return False


class Teller:
    """Tells the parent the part of the work that is done, one per cent at a time."""

    def __init__(self, connection: Connection, kind: Kind) -> None:
        self._connection, self._shares, self._told = connection, SHARES[kind], -1

    def __call__(self, step: str, value: int, maximum: int) -> None:
        """A progress callback."""
        low, high = self._shares.get(step, (0.0, 0.0))
        percent = round(100 * (low + (high - low) * value / max(maximum, 1)))
        if percent > self._told:
            self._told = percent
            self._connection.send(percent)


def work(kind: Kind, job: Job, connection: Connection, parent: int) -> None:
    """Do it, and leave the result as a file; a failure is told as text, in the words of our own errors or as a place.

    When the parent dies, this process is asked to end, too.
    """
    cancelled = Signalled()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked to be told
        return
    torch.set_num_threads(1)
    do = train_job if kind == "train" else run_job
    try:
        do(job, read_source(job.table), progress=Teller(connection, kind), cancelled=cancelled)
    except Cancelled:
        connection.send("interrupted")
    except CDMTError as error:
        connection.send(str(error))
    except Exception as error:  # noqa: BLE001 -- the other arms go on
        connection.send(f"it broke: {place_of(error)}")
