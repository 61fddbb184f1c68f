"""`Idempotency-Key`: a request that is sent again, because its answer was lost, makes nothing a second time."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.deps import Caller, CallerDep, Services, ServicesDep
from service.api.uploads import Upload
from service.contracts.idempotency import Answer, HeldKey, fingerprint
from service.contracts.ids import new_id
from service.contracts.records import Record
from service.contracts.storage import Kind

REPLAYED = "Idempotency-Replayed"
Make = Callable[[str, bool], Awaitable[Answer]]

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="yours to choose; the same key and body within 24 hours gives the first answer again, "
        f"with `{REPLAYED}: true`, and makes nothing; with another body: 422; while the first is handled: 409",
    ),
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Once:
    """Makes a thing, at most once per key and caller.

    The answers that are kept are those that made something. A request that was refused has made nothing, and leaves
    its key free for another try.
    """

    key: str | None
    services: Services
    caller: Caller

    async def __call__(self, kind: Kind, request: str, make: Make) -> Response:
        """The answer of `make(id, is_resumed)`, or the first answer again. `request` is a fingerprint.

        `make` gets the id for the new thing. If an earlier request was cut off by a crash, `is_resumed`, the thing may
        be there already: `make` then answers with it. KeyInFlight, KeyReused, and what `make` raises.
        """
        if self.key is None:
            return _response(await make(new_id(), False))
        held = await run_in_threadpool(self.services.keys.hold, self.key, caller=self.caller.name, fingerprint=request)
        try:
            return await self._held(held, kind, make)
        finally:
            held.release()

    async def _held(self, held: HeldKey, kind: Kind, make: Make) -> Response:
        claim = held.claim
        if claim.answer is not None:
            return _response(claim.answer, replayed=True)
        was_there = self.services.store.exists(kind, claim.thing_id)
        try:
            answer = await make(claim.thing_id, held.is_resumed)
        except Exception:
            if not self.services.store.exists(kind, claim.thing_id):
                await run_in_threadpool(held.forget)
            raise
        try:
            await run_in_threadpool(held.keep, answer)
        except OSError as error:  # the thing is made, and its id is in the claim: that will do
            log.warning("the answer to a request with a key cannot be kept: errno %s", error.errno)
        return _response(answer, replayed=was_there)


def once(services: ServicesDep, caller: CallerDep, idempotency_key: Key = None) -> Once:
    """How this request makes what it asks for."""
    return Once(key=idempotency_key, services=services, caller=caller)


OnceDep = Annotated[Once, Depends(once)]


async def json_fingerprint(request: Request) -> str:
    """Of a request with a JSON body that has been read and is valid; the order of its fields does not matter."""
    body = json.loads(await request.body())
    return fingerprint(request.scope["path"], json.dumps(body, sort_keys=True))


def form_fingerprint(request: Request, form: Upload) -> str:
    """Of a request with a form that has been received; the boundary between its parts does not matter."""
    fields = json.dumps([form.filename, form.sha256, form.fields], sort_keys=True)
    return fingerprint(request.scope["path"], "form", fields)


def created(location: str, record: Record) -> Answer:
    """201 with the record of a thing that has been made."""
    return Answer(status=201, headers={"Location": location}, body=record.model_dump_json())


def _response(answer: Answer, *, replayed: bool = False) -> Response:
    headers = answer.headers | ({REPLAYED: "true"} if replayed else {})
    return Response(answer.body, status_code=answer.status, headers=headers, media_type="application/json")
