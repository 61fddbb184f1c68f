"""The audit log, for admins. `cdmt audit` does the same on the machine, and checks it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from service.api.deps import ServicesDep
from service.api.paging import Cursor, Limit, Page, link_next, place, take
from service.audit.entries import Action, Entry, Outcome
from service.audit.reading import Filter, entries

router = APIRouter(prefix="/audit", tags=["access"])


@router.get("")
def list_entries(
    request: Request,
    response: Response,
    services: ServicesDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    caller: str | None = None,
    action: Action | None = None,
    object: Annotated[str | None, Query(description="kind and id: job/0198...")] = None,  # noqa: A002  as in an entry
    outcome: Outcome | None = None,
    since: AwareDatetime | None = None,
) -> Page[Entry]:
    """Who did what, newest first. Whether the log is whole, `cdmt audit verify` says."""
    wanted = Filter(
        caller=caller,
        action=action,
        object=object,
        outcome=outcome,
        since=since,
        before=None if cursor is None else place(cursor),
    )
    found, next_cursor = take(entries(services.audit.folder, wanted), limit)
    link_next(request, response, next_cursor)
    return Page(items=found, next_cursor=next_cursor)
