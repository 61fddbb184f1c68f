"""The audit log, for admins. `cdmt audit` does the same on the machine, and checks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, Field

from service.api.deps import ServicesDep
from service.api.paging import Cursor, Limit, Page, link_next, place, take
from service.audit.entries import Action, Entry, Outcome
from service.audit.reading import Filter, Unreadable, lines

router = APIRouter(prefix="/audit", tags=["access"])


class AuditPage(Page[Entry]):
    """Part of the log."""

    unreadable: int = Field(
        description="lines met on the way that are no entries as they were written: changed, or torn by a crash; "
        "`cdmt audit verify` says which"
    )


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
) -> AuditPage:
    """Who did what, newest first. Whether the log is whole, `cdmt audit verify` says."""
    wanted = Filter(
        caller=caller,
        action=action,
        object=object,
        outcome=outcome,
        since=since,
        before=None if cursor is None else place(cursor),
    )
    unreadable: list[Unreadable] = []
    found, next_cursor = take(_entries(services.audit.folder, wanted, unreadable), limit)
    link_next(request, response, next_cursor)
    return AuditPage(items=found, next_cursor=next_cursor, unreadable=len(unreadable))


def _entries(folder: Path, wanted: Filter, unreadable: list[Unreadable]) -> Iterator[Entry]:
    """The entries alone; what is none goes into `unreadable` as it is met."""
    for found in lines(folder, wanted):
        if isinstance(found, Entry):
            yield found
        else:
            unreadable.append(found)
