"""What a running job tells the world, and hears from it: progress out, a wish to cancel in. Both are best effort."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from model.spec.errors import Interrupted
from service.contracts import live
from service.contracts.errors import NotFound
from service.contracts.job_store import JobStore
from service.contracts.live import Progress

WRITE_SECONDS = 0.2
POLL_SECONDS = 0.1
RECORD_SECONDS = 2.0
PAUSE_SECONDS = 5.0
PULSE_SECONDS = 10.0

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


def impatient_redis(url: str) -> Redis:
    """A connection that gives up within a second: a job must not wait for Redis to be told how far it is."""
    return Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


class JobLink:
    """The link between a running job and whoever watches it: `progress` and `cancelled`, passed to library code.

    Called at every optimiser and sampler step, so both look at the clock first. While Redis is away nothing is
    written, the wish to cancel is read from the job's record, and Redis is asked again every PAUSE_SECONDS. `pulse` is
    called every PULSE_SECONDS of progress.
    """

    def __init__(
        self,
        job_id: str,
        *,
        redis: Redis,
        jobs: JobStore,
        clock: Callable[[], float] = time.monotonic,
        interrupted: Callable[[], bool] = lambda: False,
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        self._job_id = job_id
        self._redis = redis
        self._jobs = jobs
        self._clock = clock
        self._interrupted = interrupted
        self._pulse = pulse
        self._losses: tuple[tuple[int, float], ...] = ()
        self._step: str | None = None
        self._step_start = (0.0, 0)
        self._next_write = self._next_poll = self._next_record = self._next_pulse = self._redis_from = -float("inf")
        self._cancelled = False
        self._complained = False

    def progress(self, step: str, value: int, max: int) -> None:  # noqa: A002  the API's word
        """Show that `step` has done `value` of `max`: at once where a step begins, else every WRITE_SECONDS."""
        now = self._clock()
        if step != self._step:
            self._step, self._step_start = step, (now, value)
        elif now < self._next_write:
            return
        self._next_write = now + WRITE_SECONDS
        state = Progress(step=step, value=value, max=max, eta_seconds=self._eta(now, value, max), losses=self._losses)
        self._ask(lambda: live.write_progress(self._redis, self._job_id, state), otherwise=None)
        if now >= self._next_pulse:
            self._next_pulse = now + PULSE_SECONDS
            self._ask(self._pulse, otherwise=None)

    def show_losses(self, losses: Sequence[tuple[int, float]]) -> None:
        """Show the losses of a training so far, (step, loss), from the next progress on."""
        self._losses = tuple((step, float(f"{loss:.4g}")) for step, loss in losses)

    def cancelled(self) -> bool:
        """Whether somebody wants the job to stop; once True, always True. Interrupted if this process must end."""
        now = self._clock()
        if not self._cancelled and now >= self._next_poll:
            self._next_poll = now + POLL_SECONDS
            self._cancelled = self._ask(lambda: live.cancel_requested(self._redis, self._job_id), otherwise=False)
        if not self._cancelled and now >= self._next_record:
            self._next_record = now + RECORD_SECONDS
            self._cancelled = self._cancelled_by_record()
        if not self._cancelled and self._interrupted():
            raise Interrupted("the process that runs the job must end")
        return self._cancelled

    def close(self) -> None:
        """Forget progress and wish: the job has ended."""
        self._ask(lambda: live.clear(self._redis, self._job_id), otherwise=None)

    def _cancelled_by_record(self) -> bool:
        """True also where the record is terminal or gone: then the job was given up behind our back."""
        try:
            record = self._jobs.read(self._job_id)
        except NotFound:
            return True
        return record.status == "cancelling" or record.is_terminal

    def _eta(self, now: float, value: int, max: int) -> float | None:  # noqa: A002
        start, first = self._step_start
        if value <= first:
            return None
        return round((now - start) / (value - first) * (max - value), 1)

    def _ask(self, question: Callable[[], Answer], *, otherwise: Answer) -> Answer:
        if self._clock() < self._redis_from:
            return otherwise
        try:
            return question()
        except RedisError as error:
            self._redis_from = self._clock() + PAUSE_SECONDS
            if not self._complained:
                log.warning("redis_away", error=type(error).__name__)
            self._complained = True
            return otherwise
