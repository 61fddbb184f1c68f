"""What waits and who works, as RQ knows it: a handful of questions to Redis, however many jobs there are."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple, cast

from rq import Queue
from rq.job import Job
from rq.worker import Worker
from rq.worker_registration import get_keys

from service.contracts.jobs import now


class Backlog(NamedTuple):
    """How many jobs wait in a queue, and for how long the one that is next has; None where none waits."""

    n_jobs: int
    oldest_seconds: float | None


class Workers(NamedTuple):
    """The workers of a queue that are alive: the state of each (idle, busy, ...) by its name."""

    state_of: dict[str, str]

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return list(self.state_of)

    @property
    def states(self) -> Counter[str]:
        """How many are in which state."""
        return Counter(self.state_of.values())


def backlog(queue: Queue) -> Backlog:
    """What waits in the queue. Raises RedisError."""
    with queue.connection.pipeline(transaction=False) as pipe:
        pipe.llen(queue.key)
        pipe.lindex(queue.key, 0)
        n_jobs, first = cast("tuple[int, bytes | None]", tuple(pipe.execute()))
    since = None if first is None else queue.connection.hget(Job.key_for(first.decode()), "enqueued_at")
    if not isinstance(since, bytes):  # taken, or deleted, between the two questions
        return Backlog(n_jobs, None)
    enqueued_at = datetime.fromisoformat(since.decode()).astimezone(UTC)
    return Backlog(n_jobs, max(0.0, (now() - enqueued_at).total_seconds()))


def workers(queue: Queue) -> Workers:
    """Who serves the queue. Raises RedisError."""
    keys = sorted(get_keys(queue))
    with queue.connection.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.exists(key)
            pipe.hget(key, "state")
        answers = pipe.execute()
    states = cast("list[bytes | None]", answers[1::2])
    known = zip(keys, answers[::2], states, strict=True)
    alive = {key: (state or b"started").decode() for key, exists, state in known if exists}
    return Workers({key.removeprefix(Worker.redis_worker_namespace_prefix): state for key, state in alive.items()})
