"""How a job's id travels through RQ: the same whether the gateway or a worker puts it into its queue."""

from __future__ import annotations

from typing import TypedDict

from service.contracts.jobs import TASKS, JobRecord
from service.contracts.settings import Settings


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
