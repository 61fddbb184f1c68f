"""The jobs that somebody listens to, looked at when there is news of them: one task for all listeners together.

News comes through Redis (`live.NEWS`). A job of which none has come is looked at every LOOK_SECONDS all the same: Redis
may be away, and what is said while nobody hears is lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from service.contracts import live
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_SECONDS = 1.0
REPEAT_SECONDS = 10.0

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

    def __init__(self, *, jobs: JobStore, redis: Redis, news: AsyncRedis) -> None:
        self._jobs = jobs
        self._redis = redis
        self._news = news
        self._watched: dict[str, _Watched] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def n_listeners(self) -> int:
        """How many listen now."""
        return sum(watched.listeners for watched in self._watched.values())

    async def snapshots(self, job_id: str) -> AsyncGenerator[Snapshot, None]:
        """The job as it is, again whenever it has changed, and after REPEAT_SECONDS in which it has not.

        Ends when the job is removed or the watch closed.
        """
        with self._listening(job_id) as watched:
            if watched.snapshot is None:
                await self._refresh([job_id])
            seen: Snapshot | None = None
            while not (watched.is_gone or self._is_closed):
                changed, snapshot = watched.changed, watched.snapshot
                if snapshot is seen and await _happens(changed, within=REPEAT_SECONDS):
                    continue
                if snapshot is not None:
                    seen = snapshot
                    yield snapshot

    def close(self) -> None:
        """End all listening, so that a gateway that stops need not wait for it."""
        self._is_closed = True
        for watched in self._watched.values():
            watched.wake()

    @contextmanager
    def _listening(self, job_id: str) -> Iterator[_Watched]:
        watched = self._watched.setdefault(job_id, _Watched())
        watched.listeners += 1
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        try:
            yield watched
        finally:
            watched.listeners -= 1
            if not watched.listeners:
                self._watched.pop(job_id, None)

    async def _watch(self) -> None:
        try:
            while self._is_needed:
                try:
                    await self._follow_news()
                except RedisError:
                    await asyncio.sleep(LOOK_SECONDS)
                    await self._refresh(list(self._watched))
        finally:
            self._watcher = None  # also after an error that nobody foresaw: the next listener starts another

    @property
    def _is_needed(self) -> bool:
        return bool(self._watched) and not self._is_closed

    async def _follow_news(self) -> None:
        """Look at each job when there is news of it, and at all of them first and every LOOK_SECONDS. RedisError."""
        async with self._news.pubsub() as channel:
            await channel.subscribe(live.NEWS)
            await channel.get_message(timeout=LOOK_SECONDS)  # that we hear from now on
            due = time.monotonic()
            while self._is_needed:
                if time.monotonic() >= due:
                    await self._refresh(list(self._watched))
                    due = time.monotonic() + LOOK_SECONDS
                job_id = await _heard(channel, until=due)
                if job_id in self._watched:
                    await self._refresh([job_id])

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


async def _heard(channel: PubSub, *, until: float) -> str:
    """The id of the next job of which there is news; "" if there is none in time."""
    seconds = max(0.0, until - time.monotonic())
    message = await channel.get_message(ignore_subscribe_messages=True, timeout=seconds)
    return "" if message is None else bytes(message["data"]).decode(errors="replace")


async def _happens(event: asyncio.Event, *, within: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            return await event.wait()
    return False
