"""How a job's id travels through RQ: the same whether the gateway or a worker puts it into its queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from redis import Redis

from service.contracts.jobs import EVALUATION_SUFFIX, TASKS, JobRecord
from service.contracts.settings import Settings

# The id, which is in the list KEYS[1], goes behind the last of its kind (ids that end in ARGV[2]) and one other.
_TAKE_TURNS = """
local function is_alike(id) return string.sub(id, -#ARGV[2]) == ARGV[2] end
local ids = redis.call('LRANGE', KEYS[1], 0, -1)
local own, last = 0, 0
for place, id in ipairs(ids) do
    if id == ARGV[1] then own = place elseif own == 0 and is_alike(id) then last = place end
end
local before = ids[last + 1]
if own > last + 2 then
    redis.call('LREM', KEYS[1], -1, ARGV[1])
    redis.call('LINSERT', KEYS[1], 'AFTER', before, ARGV[1])
end
"""


class EnqueueCall(TypedDict):
    """Arguments of RQ's `Queue.enqueue_call`, but for the retries, which are a class of its own."""

    func: str
    args: list[str]
    job_id: str
    timeout: int
    result_ttl: int
    failure_ttl: int
    unique: bool


def enqueue_call(record: JobRecord, settings: Settings) -> EnqueueCall:
    """What is put into the queue for the stage that a job is in: its task and its id, and no more of it."""
    return EnqueueCall(
        func=TASKS[record.stage],
        args=[record.id],
        job_id=record.rq_id,
        timeout=settings.timeout_seconds(record.queue),
        result_ttl=settings.rq_ttl_seconds,
        failure_ttl=settings.rq_ttl_seconds,
        unique=True,
    )


def without_hooks(raw: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """What Redis keeps of a job of RQ's, less what RQ would call or ask at its end: we put none of that there.

    So whoever can write into Redis, but not into the store, cannot have us call a function or send a request.
    """
    return {name: value for name, value in raw.items() if name != b"webhooks" and not name.endswith(b"_callback_name")}


def take_turns(redis: Redis, queue_key: str, rq_id: str) -> None:
    """Let the evaluation of a cohort, newly put into the queue, wait for one evaluation of a table at most.

    That is, behind the cohorts that were there before it, and one table. So a cohort, which nobody can fetch before, is
    not held up by many tables, nor a table by any number of cohorts. Nothing happens if a worker has it already.
    """
    redis.eval(_TAKE_TURNS, 1, queue_key, rq_id, EVALUATION_SUFFIX)
