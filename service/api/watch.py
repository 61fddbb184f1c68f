"""One look at the jobs that somebody listens to, twice a second, for all listeners together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import RedisError

from service.contracts import live
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

POLL_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A job as it was a moment ago."""

    record: JobRecord
    progress: live.Progress | None = None


@dataclass
class _Watched:
    """A job and what its listeners wait for. Nothing is queued: whoever is slow misses snapshots, and delays nobody."""

    listeners: int = 0
    snapshot: Snapshot | None = None
    is_gone: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            self.is_gone = True
        elif snapshot == self.snapshot:
            return
        else:
            self.snapshot = snapshot
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class JobWatch:
    """Snapshots of jobs for any number of listeners of one event loop, from a single task while there are any."""

    def __init__(self, *, jobs: JobStore, redis: Redis) -> None:
        self._jobs = jobs
        self._redis = redis
        self._watched: dict[str, _Watched] = {}
        self._poller: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def n_listeners(self) -> int:
        """How many listen now."""
        return sum(watched.listeners for watched in self._watched.values())

    async def snapshots(self, job_id: str) -> AsyncGenerator[Snapshot, None]:
        """The job as it is, and again whenever it has changed; ends when the job is removed or the watch closed."""
        with self._listening(job_id) as watched:
            if watched.snapshot is None:
                await self._refresh([job_id])
            seen: Snapshot | None = None
            while not (watched.is_gone or self._is_closed):
                changed = watched.changed
                if watched.snapshot is not None and watched.snapshot is not seen:
                    seen = watched.snapshot
                    yield seen
                else:
                    await changed.wait()

    def close(self) -> None:
        """End all listening, so that a gateway that stops need not wait for it."""
        self._is_closed = True
        for watched in self._watched.values():
            watched.wake()

    @contextmanager
    def _listening(self, job_id: str) -> Iterator[_Watched]:
        watched = self._watched.setdefault(job_id, _Watched())
        watched.listeners += 1
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        try:
            yield watched
        finally:
            watched.listeners -= 1
            if not watched.listeners:
                self._watched.pop(job_id, None)

    async def _poll(self) -> None:
        try:
            while self._watched and not self._is_closed:
                await asyncio.sleep(POLL_SECONDS)
                await self._refresh(list(self._watched))
        finally:
            self._poller = None  # also after an error that nobody foresaw: the next listener starts another

    async def _refresh(self, job_ids: Sequence[str]) -> None:
        try:
            found = await asyncio.to_thread(self._look, job_ids)
        except OSError as error:
            log.error("jobs that are listened to cannot be read now: errno %s", error.errno)
            return
        for job_id, snapshot in zip(job_ids, found, strict=True):
            if job_id in self._watched:
                self._watched[job_id].show(snapshot)

    def _look(self, job_ids: Sequence[str]) -> list[Snapshot | None]:
        """Each job now, None where there is none: a file read each, and one question to Redis for all."""
        records = {record.id: record for record in self._jobs.records(job_ids)}
        running = [record.id for record in records.values() if record.status in ("running", "cancelling")]
        progress: dict[str, live.Progress | None] = {}
        with suppress(RedisError):
            progress = dict(zip(running, live.read_progresses(self._redis, running), strict=True))
        return [Snapshot(records[job_id], progress.get(job_id)) if job_id in records else None for job_id in job_ids]
