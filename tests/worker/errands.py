"""Jobs for the tests of the horse: what RQ calls in place of worker.tasks.run."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from redis import Redis
from rq.job import Job

from worker.interruption import INTERRUPTION, leave
from worker.outcomes import SPENT, OutOfTime
from worker.task_job import TaskJob


class ErrandJob(TaskJob):
    """A job that runs one of these."""

    tasks = frozenset(
        f"{__name__}.{name}" for name in ("note", "sleep", "sleep_once", "die", "spend", "hang", "listen", "fail")
    )


def note(path: str, word: str = "") -> str:
    """Append a line with this process's id to a file."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()} {word}\n")
    return "noted"


def sleep(path: str, seconds: float) -> str:
    """Say that it began, then take its time."""
    note(path)
    time.sleep(seconds)
    return "slept"


def sleep_once(path: str) -> str:
    """Take very long the first time, no time at all the second."""
    first = not Path(path).exists()
    note(path)
    time.sleep(60 if first else 0)
    return "slept"


def die(path: str) -> None:
    """Kill the process that runs this, as a crash in native code would."""
    note(path)
    os.kill(os.getpid(), signal.SIGKILL)


def spend(path: str) -> str:
    """Say that this process shall take no further job."""
    note(path)
    return SPENT


def hang(path: str) -> str:
    """Swallow every Exception, as libraries do, and never end by itself."""
    note(path, "began")
    try:
        while True:
            with suppress(Exception):
                time.sleep(60)
    except OutOfTime:
        note(path, "out of time")
        return "stopped"


def listen(path: str) -> str:
    """Work until asked to put the job down; the second time there is nothing left to do."""
    first = not Path(path).exists()
    note(path, "began")
    while first and not INTERRUPTION.is_due(loses_work=False):
        time.sleep(0.02)
    if first:
        note(path, "put down")
        leave()
    return "done"


def fail(path: str) -> None:
    """End as a job does that has a bug."""
    note(path)
    raise ValueError(path)


def hook(job: Job, _connection: Redis, *_outcome: object) -> None:
    """Say that RQ has called a hook of a job's."""
    note(job.args[0], "hook")
