"""The worker's parent process: RQ's worker, whose work-horse outlives the job. Never imports torch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, worker_registration
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.timeouts import BaseDeathPenalty, HorseMonitorTimeoutException

from worker.horse import Errand, Horse, LeasedWorker, Timing
from worker.interruption import ASK, HANDED_BACK
from worker.task_job import TaskJob

log = structlog.get_logger(__name__)


class _NoAlarm(BaseDeathPenalty):
    """No SIGALRM in the parent: an alarm between reading the pipe and returning would lose the horse's answer."""

    def setup_death_penalty(self) -> None:
        """Do nothing: `Horse.wait` keeps the time itself."""

    def cancel_death_penalty(self) -> None:
        """Do nothing."""


class RedisLost(Exception):
    """Redis does not come back. No error of redis-py, lest RQ wait for it."""


class WarmWorker(LeasedWorker):
    """The parent: RQ's worker, whose horse outlives the job. Never imports torch.

    `on_lost(rq_id, requeued, stopped)` is told, before RQ is, that a job of RQ's ended without its horse saying so: it
    died, was stopped on request, or the job was found stranded; `requeued`: RQ will run it again. `on_unheard(rq_id)`
    is told of a job that was handed back and of which Redis could not be told: RQ will think that it was lost.
    `on_heartbeat()` is told of every heartbeat that Redis has taken.
    """

    death_penalty_class = _NoAlarm

    def __init__(
        self,
        queue_name: str,
        *,
        connection: Redis,
        horse: Horse,
        name: str,
        timing: Timing,
        on_lost: Callable[[str, bool, bool], None],
        job_class: type[TaskJob] = TaskJob,
        on_unheard: Callable[[str], None] = lambda _rq_id: None,
        on_heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(queue_name, connection=connection, name=name, timing=timing, job_class=job_class)
        self._horse = horse
        self._on_lost = on_lost
        self._on_unheard = on_unheard
        self._on_heartbeat = on_heartbeat
        self._ended_as: int | None = None
        self._handing_back = False
        self._silent_since: float | None = None
        self._asked_since: float | None = None
        self._maintenance_due = 0.0

    @property
    def asked_to_stop(self) -> bool:
        """Whether `work` ended because somebody asked for it, and not for lack of Redis or by a bug."""
        return self._shutdown_requested_date is not None

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """As RQ, but RedisLost where Redis has not answered for long: RQ would wait for it for ever."""
        try:
            super().heartbeat(timeout, pipeline)
        except RedisError as error:
            self._silent_since = self._silent_since or time.monotonic()
            if time.monotonic() - self._silent_since > self.timing.patience:
                raise RedisLost from error
            raise
        if pipeline is None:
            self._silent_since = None
            self._on_heartbeat()

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """As RQ, by a clock that nobody sets."""
        return time.monotonic() >= self._maintenance_due

    def run_maintenance_tasks(self) -> None:
        """Replace a horse that died while idle, make ourselves known again after Redis lost us, then clean as RQ."""
        self._maintenance_due = time.monotonic() + self.timing.maintenance
        if self._horse.preload:
            self._horse.ensure()
        if not self.connection.sismember(self.redis_workers_keys, self.key):
            self.connection.hset(self.key, mapping=self.serialize())
            worker_registration.register(self)
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Hand `job` to the horse, which is started where there is none."""
        execution = self.execution
        assert execution is not None
        self._ended_as = None
        self._horse.send(Errand(job.id, queue.name, execution.id))
        self._horse_pid = self._horse.pid

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """Wait for the horse's answer or death; HorseMonitorTimeoutException after `job_monitoring_interval`."""
        for _ in range(self.job_monitoring_interval):
            if self._is_overdue(self.timing.shutdown):
                self._hand_back()
            elif self.asked_to_stop:  # again: the horse may have been started since the signal came
                self._horse.ask()
            status = self._ended_as = self._horse.wait(1.0)
            if status is not None:
                if self._horse.preload and not self.asked_to_stop:
                    self._horse.ensure()  # one that ended is replaced now: the next job can be cancelled at once
                return self._horse.pid, status, None
        raise HorseMonitorTimeoutException

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """As RQ, and tell `on_unheard`."""
        try:
            super().monitor_work_horse(job, queue, execution)
        except RedisError:
            if self._is_handed_back(self._ended_as):
                log.info("job_handed_back_unheard", job_id=job.id)
                self._on_unheard(job.id)
            raise

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Kill the horse and all that it started; its job ends as `on_lost` says."""
        self._horse.kill(sig)

    def handle_warm_shutdown_request(self) -> None:
        """On the first signal: ask the horse at once to put its job down."""
        self._asked_since = time.monotonic()
        self._horse.ask()

    def set_shutdown_requested_date(self) -> None:
        """Not as RQ, which tells Redis: if that is away, the signal would end us before the horse put its job down."""

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002  RQ's signature
        """On a second signal: hand the running job back to the queue now, and stop."""
        if self._is_overdue(1):  # a signal to a whole group may come twice
            self._hand_back()

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """As RQ, but Redis being away does not end a running job: its result goes to the store, not to Redis."""
        try:
            super().maintain_heartbeats(job, execution)
        except RedisError as error:
            log.warning("heartbeat_failed", job_id=job.id, error=type(error).__name__)
        else:
            self._on_heartbeat()

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int | None, rusage: object) -> None:  # noqa: ARG002
        """A job that is handed back at shutdown does not pay for it with one of its retries, and is the next to run."""
        if not self._is_handed_back(ret_val):
            log.warning("horse_died", job_id=job.id, status=ret_val)
            return
        log.info("job_handed_back", job_id=job.id)
        job.retries_left = (job.retries_left or 0) + 1
        job.enqueue_at_front_on_retry = True

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """As RQ, and tell `on_lost` first: as soon as RQ knows, another worker or the gateway may take the job up."""
        stopped = self._stopped_job_id == job.id
        self._on_lost(job.id, job.should_retry and not stopped, stopped)
        super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)

    def _is_handed_back(self, status: int | None) -> bool:
        """Whether a horse that ended so was asked to, and not killed by its job; -ASK: before it could listen."""
        code = None if status is None else os.waitstatus_to_exitcode(status)
        return self._handing_back or code == HANDED_BACK or (self.asked_to_stop and code == -ASK)

    def _is_overdue(self, grace: float) -> bool:
        if not self.asked_to_stop:
            return False
        self._asked_since = self._asked_since or time.monotonic()
        return time.monotonic() - self._asked_since > grace

    def _hand_back(self) -> None:
        if not self._handing_back:
            self._handing_back = True
            log.info("job_taken_away", horse=self._horse.pid)
            self.kill_horse()
