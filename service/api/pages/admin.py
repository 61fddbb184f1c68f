"""For admins: who has a key, who did what, and which workers are there."""

from __future__ import annotations

from typing import NamedTuple, get_args

from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError
from starlette.responses import HTMLResponse

from service.api.deps import CallerDep, Services, ServicesDep
from service.api.pages.shell import page
from service.api.paging import Cursor
from service.api.routes.audit import list_entries
from service.api.routes.keys import list_keys
from service.audit.entries import Action, Outcome
from service.contracts.figures import Vitals
from service.contracts.jobs import JobKind
from service.contracts.keys import DEFAULT_DAYS, SCOPES
from service.workload import workers

router = APIRouter(prefix="/console/admin", include_in_schema=False)


class WorkerLine(NamedTuple):
    """A worker as the page shows it: how RQ sees it, and how it was when it last worked."""

    kind: JobKind
    name: str
    state: str
    vitals: Vitals | None


@router.get("")
def admin(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    cursor: Cursor = None,
    by: str = "",
    action: Action | str = "",
    outcome: Outcome | str = "",
) -> HTMLResponse:
    """Keys, workers, and the audit log, newest first."""
    entries = list_entries(
        request,
        Response(),
        services,
        cursor=cursor,
        caller=by or None,
        action=action if action in get_args(Action) else None,  # type: ignore[arg-type]  # just looked up
        outcome=outcome if outcome in get_args(Outcome) else None,  # type: ignore[arg-type]
    )
    return page(
        request,
        "admin.html.j2",
        services=services,
        caller=caller,
        keys=list_keys(services).items,
        scopes=SCOPES,
        default_days=DEFAULT_DAYS,
        workers=_workers(services),
        entries=entries.items,
        next_cursor=entries.next_cursor,
        unreadable=entries.unreadable,
        chosen={"by": by, "action": action, "outcome": outcome},
        actions=get_args(Action),
        outcomes=get_args(Outcome),
    )


def _workers(services: Services) -> list[WorkerLine] | None:
    """Who works; None where Redis does not answer."""
    try:
        return [line for kind in get_args(JobKind) for line in _workers_of(services, kind)]
    except RedisError:
        return None


def _workers_of(services: Services, kind: JobKind) -> list[WorkerLine]:
    at_work = workers(services.queue.queues[kind])
    vitals = services.queue.figures.vitals(at_work.names)
    known = zip(at_work.state_of.items(), vitals, strict=True)
    return [WorkerLine(kind, name, state, found) for (name, state), found in known]
