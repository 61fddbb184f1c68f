"""The warm work-horse: one persistent child process that runs RQ's jobs one after another, its models loaded.

RQ forks a horse per job, so every job would load its model anew, and CUDA does not survive a fork. Here the parent
(worker/parent.py, free of torch) does RQ's queueing, heartbeats and stop commands, and hands each job through a pipe
to one spawned child, which runs RQ's own `perform_job`. A child that dies is replaced, and its job retried by RQ.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import NamedTuple

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.job import Job
from rq.timeouts import BaseDeathPenalty, UnixSignalDeathPenalty

from service.contracts.jobs import SERIALIZER
from service.contracts.logs import configure_logs
from service.contracts.redis_url import redis_url
from service.contracts.settings import Settings
from worker.interruption import ASK, INTERRUPTION
from worker.outcomes import SPENT, OutOfTime
from worker.task_job import TaskJob

PR_SET_PDEATHSIG = 1
EXIT_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Errand(NamedTuple):
    """What the parent tells its horse to run."""

    job_id: str
    queue_name: str
    execution_id: str


class Timing(NamedTuple):
    """How often a worker does what, in seconds."""

    lease: int = 60
    """A job's claim to its worker lapses so long after the last heartbeat."""
    heartbeat: int = 5
    worker: int = 60
    """An idle worker that is not heard of for so long (and a minute) counts as dead."""
    maintenance: int = 15
    patience: float = 60
    """An idle worker that has not reached Redis for so long ends, for a supervisor to start it anew."""
    shutdown: float = 8
    """After SIGTERM, before the horse of a job that has not put itself down is killed."""


class _Deadline(UnixSignalDeathPenalty):
    """RQ's alarm, raising OutOfTime."""

    def handle_death_penalty(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002  RQ's signature
        """Interrupt whatever the job does."""
        raise OutOfTime


class LeasedWorker(Worker):
    """RQ's worker on one queue, with a lease of our own length."""

    death_penalty_class: type[BaseDeathPenalty] = _Deadline
    max_connection_wait_time = 5.0

    def __init__(
        self,
        queue_name: str,
        *,
        connection: Redis,
        name: str,
        timing: Timing,
        prepare_for_work: bool = True,
        job_class: type[TaskJob] = TaskJob,
    ) -> None:
        super().__init__(
            [queue_name],
            name,
            connection=connection,
            job_class=job_class,
            serializer=SERIALIZER,
            job_monitoring_interval=timing.heartbeat,
            worker_ttl=timing.worker,
            maintenance_interval=timing.maintenance,
            log_job_description=False,
            prepare_for_work=prepare_for_work,
        )
        self.timing = timing
        self.log.setLevel(logging.WARNING)  # RQ tells of every tidying-up; what matters is in our own lines

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002  RQ's signature
        """Seconds that a heartbeat is good for; RQ's own answer is the monitoring interval + 60."""
        return self.timing.lease


class Horse:
    """The child process, the pipe to it, and how to start, feed, await and kill it.

    `main` runs in the child as `main(pipe, parent_pid, *arguments)`. It answers each Errand from the pipe with
    whether it can take another, and ends when the pipe closes. With `preload` it is started before the first job.
    """

    def __init__(self, main: Callable[..., None], *arguments: object, preload: bool = True) -> None:
        self.preload = preload
        self._main = main
        self._arguments = arguments
        self._context = multiprocessing.get_context("spawn")
        self._process: multiprocessing.context.SpawnProcess | None = None
        self._pipe: Connection | None = None

    @property
    def pid(self) -> int:
        """Process id of the child, 0 where there is none."""
        return 0 if self._process is None else self._process.pid or 0

    def ensure(self) -> None:
        """Start the child unless it is alive."""
        if self._process is not None and self._process.is_alive():
            return
        if self._process is not None:
            log.warning("horse_replaced", pid=self.pid, exitcode=self._process.exitcode)
        self._pipe, far_end = self._context.Pipe()
        arguments = (far_end, os.getpid(), *self._arguments)
        self._process = self._context.Process(target=self._main, args=arguments, daemon=True)  # SIGTERM must not hang
        self._process.start()
        far_end.close()

    def send(self, errand: Errand) -> None:
        """Hand the child its next job. A child that has just died is not an error here: `wait` will say so."""
        self.ensure()
        assert self._pipe is not None
        with suppress(OSError):
            self._pipe.send(errand)

    def wait(self, timeout: float) -> int | None:
        """Status as of `os.waitpid`: 0 when the job is done, else how the child died; None after `timeout` seconds."""
        assert self._pipe is not None
        assert self._process is not None
        ready = wait([self._pipe, self._process.sentinel], timeout)
        if not ready:
            return None
        if self._pipe in ready:
            with suppress(EOFError, OSError):
                if not self._pipe.recv():
                    self._end()
                return 0
        code = self._end()
        return -code if code < 0 else max(code, 1) << 8

    def _end(self) -> int:
        """Wait for the child, which is about to end, and return its exit code."""
        assert self._process is not None
        self._process.join(EXIT_SECONDS)
        if self._process.exitcode is None:
            self.kill()
            self._process.join()
        return self._process.exitcode or 0

    def ask(self) -> None:
        """Ask the child to put its job down: a training keeps its state, other jobs may end if they are quick."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, ASK)

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Signal the child with all that it started. Before it has its own process group, the child alone."""
        if not self.pid:
            return
        with suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, sig)
            else:
                os.kill(self.pid, sig)


def redis_of(settings: Settings) -> Redis:
    """A connection to the Redis that the settings name. BadKeyFile."""
    url = redis_url(settings)
    assert url is not None
    return Redis.from_url(url)


def worker_name(queue_name: str) -> str:
    """A name that no other worker has: a fixed one would bar a restart after kill -9 until its key expires."""
    return f"{queue_name}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def run_horse(
    pipe: Connection, parent_pid: int, settings: Settings, queue_name: str, name: str, timing: Timing
) -> None:
    """The child's main: load what jobs need, torch above all, then run them until the pipe closes."""
    settle_in(parent_pid)
    INTERRUPTION.grace = timing.shutdown / 2
    configure_logs(settings.log_level)
    from worker import tasks  # here, because only the child may import torch

    tasks.open_for(settings, worker=name, fits_networks=not queue_name.endswith("-generate"))
    connection = redis_of(settings)
    worker = LeasedWorker(queue_name, connection=connection, name=name, timing=timing, prepare_for_work=False)
    log.info("horse_ready", pid=os.getpid())
    serve_errands(pipe, worker, n_jobs=settings.jobs_per_process)


def serve_errands(pipe: Connection, worker: LeasedWorker, *, n_jobs: int) -> None:
    """In the child: run each job that comes through the pipe with RQ's own `perform_job`.

    Ends when the pipe closes, after `n_jobs` jobs, or after one that returned SPENT: the next gets a fresh horse.
    """
    done, spent = 0, False
    while not spent:
        try:
            errand: Errand = pipe.recv()
        except (EOFError, ConnectionError):  # the parent has closed the pipe, or is gone
            return
        try:
            done += 1
            spent = _perform(errand, worker) == SPENT or done >= n_jobs
        except RedisError as error:  # the job's record has its outcome, but RQ could not be told
            log.error("redis_away", job_id=errand.job_id, error=type(error).__name__)
            sys.exit(1)
        with suppress(ConnectionError):  # the parent died meanwhile: the next look at the pipe shows it
            pipe.send(not spent)


def _perform(errand: Errand, worker: LeasedWorker) -> object:
    """What the job returned; None where it raised, or was deleted before it could begin."""
    connection = worker.connection
    try:
        job = worker.job_class.fetch(errand.job_id, connection=connection, serializer=SERIALIZER)
        execution = Execution.fetch(errand.execution_id, errand.job_id, connection=connection)
    except (NoSuchJobError, KeyError, ValueError) as error:  # RQ's words for an execution that is gone, or half gone
        log.info("job_gone", job_id=errand.job_id, error=type(error).__name__)
        return None
    queue = Queue(errand.queue_name, connection=connection, job_class=worker.job_class, serializer=SERIALIZER)
    return job.return_value() if worker.perform_job(job, queue, execution) else None


def settle_in(parent_pid: int) -> None:
    """In the child, first of all: an own process group, death with the parent, no reaction to Ctrl-C.

    The signal by which the parent asks it to put its job down is heard from now on.
    """
    os.setpgrp()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we asked to be told
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    INTERRUPTION.listen()
