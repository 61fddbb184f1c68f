"""What happens to a job, as server-sent events: every change of its state, and its progress as it is.

The id of a `state` event is the number of that change in the job's record, so that a client that comes back with
`Last-Event-ID` misses none. That of a `progress` event is the number of the present state and a digest: progress is a
snapshot, of which only the latest matters.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Annotated

from fastapi import Header
from fastapi.sse import ServerSentEvent
from pydantic import AwareDatetime, BaseModel
from starlette.exceptions import HTTPException

from service.api.access import OwnJob
from service.api.views import JobLinks, job_links
from service.api.watch import JobWatch, Snapshot
from service.contracts.jobs import JobError, JobRecord, JobState, StateChange

NUMBER = re.compile(r"(\d{1,9})(?:\.|$)")

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="the id of the last event that you have, to go on after it")
]


class StateEvent(BaseModel):
    """The data of a `state` event. `error` says why the job failed; `links` where to go from this state."""

    id: str
    status: JobState
    at: AwareDatetime
    error: JobError | None
    links: JobLinks


def resume_point(record: OwnJob, last_event_id: LastEventId = None) -> str:
    """The id of the last event that the client has, "" if none of this job's.

    HTTPException 204 where nothing more will come: that tells an EventSource not to come back.
    """
    last = last_event_id or ""
    if not 0 < _number(last) <= record.states[-1].number:
        return ""
    if record.is_terminal and _number(last) == record.states[-1].number:
        raise HTTPException(204)
    return last


async def job_events(
    job_id: str, watch: JobWatch, *, last: str, may_go_on: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[ServerSentEvent, None]:
    """The events after `last`; the end is that of the job.

    Or of what `may_go_on` asks for: it is asked whenever the job has changed, and every REPEAT_SECONDS of silence.
    """
    async with aclosing(watch.snapshots(job_id)) as snapshots:
        async for snapshot in snapshots:
            if not await may_go_on():
                return
            for event in _news(snapshot, last):
                last = str(event.id)
                yield event
            if snapshot.record.is_terminal:
                return


def _news(snapshot: Snapshot, last: str) -> Iterator[ServerSentEvent]:
    record = snapshot.record
    for change in record.states:
        if change.number > _number(last):
            yield ServerSentEvent(event="state", id=str(change.number), data=_state_event(record, change))
    if snapshot.progress is not None:
        text = snapshot.progress.model_dump_json()
        event_id = f"{record.states[-1].number}.{zlib.crc32(text.encode()):08x}"
        if event_id != last:
            yield ServerSentEvent(event="progress", id=event_id, raw_data=text)


def _state_event(record: JobRecord, change: StateChange) -> StateEvent:
    is_present = change == record.states[-1]
    then = record if is_present else record.model_copy(update={"status": change.status})
    error = record.error if is_present else None
    return StateEvent(id=record.id, status=change.status, at=change.at, error=error, links=job_links(then))


def _number(event_id: str) -> int:
    """The number of the state in an event's id; 0 if there is none."""
    found = NUMBER.match(event_id)
    return int(found[1]) if found else 0
