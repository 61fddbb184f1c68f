"""What happens to a job, as it happens: server-sent events, gone on with after each break.

Where events do not pass (a proxy that keeps them back), the job is polled instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from cdmt_client.effects import Flow, Json, Pause, Request, Tell, opened, read, read_all
from cdmt_client.errors import Refused, Unreachable
from cdmt_client.records import TERMINAL, Event
from cdmt_client.retrying import Patience, Retries, check, is_passing
from cdmt_client.waiting import OUTAGE_SECONDS, looked_at

SILENT_SECONDS = 45
"""The service sends something, if only a comment, every 15 s."""
POLL_SECONDS = 1.0
NO_CONTENT = 204
STREAM = "text/event-stream"
DEAF_TRIES = 3
"""Connections in a row that were open and brought nothing: something on the way keeps events back."""


def told_events(job_id: str, *, retries: Retries) -> Flow[None]:
    """Tells every Event, from the first change of the job's state to its last."""
    patient = replace(retries, seconds=max(retries.seconds, OUTAGE_SECONDS))
    stream, patience, deaf = Stream(), Patience(patient), 0
    while deaf < DEAF_TRIES:
        try:
            if not (yield from _opened(job_id, stream)):
                break
            deaf += 1
            while part := (yield from read()):
                deaf = 0
                patience.renew()
                for event in stream.fed(part):
                    yield Tell(event)
            error: Refused | Unreachable = Unreachable(f"the events of job '{job_id}' break off")
        except (Refused, Unreachable) as caught:
            error = caught
        if stream.has_ended:
            return
        if not is_passing(error):
            raise error
        yield Pause(patience.pause(error))
    yield from _polled(job_id, stream.last_status, retries=patient)


def _opened(job_id: str, stream: Stream) -> Flow[bool]:
    """Open the events after the last one; False where none come this way."""
    stream.pending, stream.lines = b"", {}  # what the end of a connection has left incomplete
    headers = {"Accept": STREAM, **({"Last-Event-ID": stream.last_id} if stream.last_id else {})}
    request = Request("GET", f"/jobs/{job_id}/events", headers=headers, timeout=SILENT_SECONDS)
    head = yield from opened(request)
    if head.headers.get("content-type", "").startswith(STREAM):
        return True
    check((yield from read_all(head)))
    return False


def _polled(job_id: str, status: str | None, *, retries: Retries) -> Flow[None]:
    """The same from looking again and again; a state that came and went in between is missed."""
    progress: Json | None = None
    while status not in TERMINAL:
        job = yield from looked_at(job_id, retries)
        if job["progress"] is not None and job["progress"] != progress:
            progress = job["progress"]
            yield Tell(Event("progress", job["progress"]))
        if job["status"] != status:
            status = job["status"]
            yield Tell(Event("state", {"id": job_id, "status": status, "error": job["error"], "links": job["links"]}))
        if status not in TERMINAL:
            yield Pause(POLL_SECONDS)


@dataclass
class Stream:
    """Parses server-sent events (HTML Standard, 9.2.6) out of the parts in which they arrive."""

    last_id: str | None = None
    last_status: str | None = None
    pending: bytes = b""
    lines: dict[str, list[str]] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether the job has."""
        return self.last_status in TERMINAL

    def fed(self, part: bytes) -> Iterator[Event]:
        """The events that are complete with this part."""
        *lines, self.pending = (self.pending + part).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line:
                name, _, value = line.decode(errors="replace").partition(":")
                self.lines.setdefault(name, []).append(value.removeprefix(" "))
            elif (event := self._dispatched()) is not None:
                yield event

    def _dispatched(self) -> Event | None:
        fields, self.lines = self.lines, {}
        if "data" not in fields:
            return None
        kind = fields.get("event", ["message"])[-1]
        self.last_id = fields.get("id", [self.last_id or ""])[-1]
        data: Json = json.loads("\n".join(fields["data"]))
        if kind == "state":
            self.last_status = data["status"]
        return Event(kind, data, self.last_id)
