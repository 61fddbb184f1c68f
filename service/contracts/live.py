"""What gateway and worker tell each other through Redis while a job runs: progress one way, a wish to cancel the other.

Losing it loses no result: progress is written anew, and a job that shall be cancelled says so in its record, too.
Whoever changes something here, or the record of a job, says so on the channel NEWS, so that nobody need ask in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from model.spec.base import Spec

NEWS = "cdmt:news"
"""The channel on which the id of a job is sent of which there is something new."""
EXPIRES_SECONDS = 30 * 24 * 3600  # longer than any job may run, so that a forgotten key goes away in the end


class Progress(Spec):
    """How far the present step of a job is; `eta_seconds` is for that step.

    `losses` of a training: pairs of the optimiser step and the loss of the averaged weights on stays that are not
    learned from, one each time that it was measured.
    """

    step: str
    value: int
    max: int
    eta_seconds: float | None = None
    losses: tuple[tuple[int, float], ...] = ()


WAITING_FOR_EVALUATION = Progress(step="waiting for the evaluation", value=0, max=1)
"""Of a generation whose cohort is drawn, until a worker evaluates it."""


def write_progress(redis: Redis, job_id: str, progress: Progress) -> None:
    """Replace the progress that a poll of the job shows."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(_progress_key(job_id), progress.model_dump_json(), ex=EXPIRES_SECONDS)
        pipe.publish(NEWS, job_id)
        pipe.execute()


def read_progress(redis: Redis, job_id: str) -> Progress | None:
    """The last progress written; None before the first, and where it is in the words of another version."""
    return _parsed(redis.get(_progress_key(job_id)))


def read_progresses(redis: Redis, job_ids: Sequence[str]) -> list[Progress | None]:
    """The last progress of each, in one round trip."""
    texts = cast("list[object]", redis.mget([_progress_key(job_id) for job_id in job_ids])) if job_ids else []
    return [_parsed(text) for text in texts]


def request_cancel(redis: Redis, job_id: str) -> None:
    """Ask whoever runs the job to stop; asking again changes nothing."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(_cancel_key(job_id), b"1", ex=EXPIRES_SECONDS, nx=True)
        pipe.publish(NEWS, job_id)
        pipe.execute()


def cancel_requested(redis: Redis, job_id: str) -> bool:
    """Whether somebody asked for the job to stop; one round trip, so ask at most a few times a second."""
    return bool(redis.exists(_cancel_key(job_id)))


def clear(redis: Redis, job_id: str) -> None:
    """Forget both, once the job has ended, which is news."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.delete(_progress_key(job_id), _cancel_key(job_id))
        pipe.publish(NEWS, job_id)
        pipe.execute()


def announce(redis: Redis, job_id: str) -> None:
    """Say that the record of a job has changed. Best effort: listeners also look now and then."""
    with suppress(RedisError):
        redis.publish(NEWS, job_id)


def _parsed(text: object) -> Progress | None:
    try:
        return Progress.model_validate_json(text) if isinstance(text, bytes | str) else None
    except ValidationError:
        return None


def _progress_key(job_id: str) -> str:
    return f"cdmt:job:{job_id}:progress"


def _cancel_key(job_id: str) -> str:
    return f"cdmt:job:{job_id}:cancel"
