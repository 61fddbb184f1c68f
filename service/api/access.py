"""Which route needs which scope, and the one place where it is told who was let in and who was not.

Deny by default: what is not public needs a caller who is known, whatever the path, and a route that has no rule here
lets nobody in. docs/access.md has the same table in words.
"""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from service.api.bodies import prefers_html
from service.api.deps import Caller, ServicesDep, caller
from service.api.errors import own_problem
from service.api.sessions import SAFE_METHODS
from service.console.places import is_page, sign_in_address
from service.contracts.errors import AccessRefused, Forbidden, MissingScope, NotFound, Unauthorized, WrongCredential
from service.contracts.jobs import JobRecord
from service.contracts.keys import Scope

SUBMIT: tuple[Scope, ...] = ("generate", "train")
ANY_SCOPE: tuple[Scope, ...] = ()

# Without a key: what machines ask for that watch this one, and what says nothing of this installation's data.
PUBLIC = frozenset({"/", "/signin", "/livez", "/readyz", "/docs", "/redoc", "/openapi.json", "/schemas/report"})
PUBLIC_FOLDERS = ("/static-offline-docs/", "/console/static/")

# Each rule is met by any of its scopes, and by `admin`.
RULES: dict[str, tuple[Scope, ...]] = {
    "POST /datasets": ("train",),
    "GET /datasets": ("read",),
    "GET /datasets/{dataset_id}": ("read",),
    "DELETE /datasets/{dataset_id}": ("train",),
    "POST /jobs/train": ("train",),
    "POST /jobs/generate": ("generate",),
    "POST /jobs/evaluate": ("train",),
    "GET /jobs": ("read",),
    "GET /jobs/{job_id}": ("read",),
    "GET /jobs/{job_id}/events": ("read",),
    "GET /jobs/{job_id}/cohort": ("read",),
    "GET /jobs/{job_id}/report": ("read",),
    "GET /jobs/{job_id}/report.html": ("read",),
    "POST /jobs/{job_id}/cancel": SUBMIT,
    "DELETE /jobs/{job_id}": SUBMIT,
    "POST /models": ("train",),
    "GET /models": ("read",),
    "GET /models/{model_id}": ("read",),
    "GET /models/{model_id}/report": ("read",),
    "GET /models/{model_id}/report.html": ("read",),
    "GET /models/{model_id}/archive": ("train",),
    "DELETE /models/{model_id}": ("train",),
    "GET /metrics": ("read",),
    "POST /keys": ("admin",),
    "GET /keys": ("admin",),
    "GET /keys/{key_id}": ("admin",),
    "POST /keys/{key_id}/rotate": ("admin",),
    "DELETE /keys/{key_id}": ("admin",),
    "GET /audit": ("admin",),
    "POST /session": ANY_SCOPE,
    "GET /session": ANY_SCOPE,
    "DELETE /session": ANY_SCOPE,
}

# Pages of the console only read; what one does on them goes through the operations above.
PAGE_RULES: dict[str, tuple[Scope, ...]] = {
    "GET /console": ANY_SCOPE,
    "GET /console/generate": ("read",),
    "GET /console/generate/counts": ("read",),
    "GET /console/jobs": ("read",),
    "GET /console/jobs/{job_id}": ("read",),
    "GET /console/datasets": ("read",),
    "GET /console/datasets/{dataset_id}": ("read",),
    "GET /console/models": ("read",),
    "GET /console/models/{model_id}": ("read",),
    "GET /console/train": ("train",),
    "GET /console/admin": ("admin",),
}

MAX_LOGGED_PATH = 200

log = structlog.get_logger(__name__)


def is_public(path: str) -> bool:
    """Whether a path answers everybody."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def permitted(request: Request) -> None:
    """For every route: MissingScope unless the caller may use it."""
    if is_public(request.scope["path"]):  # not request.url, of which the Host header is a part
        return
    operation = f"{request.method} {request.scope['route'].path}"
    rule = RULES.get(operation, PAGE_RULES.get(operation))
    who = caller(request)
    if rule is None or not who.may(*rule):
        raise MissingScope(rule or (), who.identity.scopes)


def own_job(job_id: str, request: Request, services: ServicesDep) -> JobRecord:
    """A job of the caller's. NotFound, also for another's: whether there is one is nobody else's business."""
    job = services.jobs.read(job_id)
    if not caller(request).owns(job.caller):
        tell_refusal(request, "not_owner")
        raise NotFound("job", job_id)
    return job


def check_owner(who: Caller, owner: str | None, noun: str) -> None:
    """Forbidden unless the caller has made this thing, which everybody may see, or is an admin."""
    if not who.owns(owner):
        raise Forbidden(f"this {noun} is another caller's: only that one or an admin may delete it")


def refused(request: Request, error: Exception) -> Response:
    """The answer to who was not let in."""
    assert isinstance(error, AccessRefused)
    if not isinstance(error, WrongCredential) and isinstance(error, Unauthorized) and is_looked_at(request):
        address = sign_in_address(request.scope["path"], request.scope["query_string"].decode("latin-1"))
        return RedirectResponse(address, 303)
    tell_refusal(request, error.reason)
    return own_problem(request, error)


def is_looked_at(request: Request) -> bool:
    """Whether a person asks for a page of the console, who can then be asked to sign in."""
    wants_page = prefers_html(request.headers.get("accept", ""))
    return request.method in SAFE_METHODS and is_page(request.scope["path"]) and wants_page


def tell_refusal(request: Request, reason: str) -> None:
    """Put down that somebody was not let in. What they showed is not put down; of a key, its id."""
    who: Caller | None = getattr(request.state, "caller", None)
    request.state.refused = reason
    log.warning(
        "access_refused",
        reason=reason,
        caller=who.name if who else None,
        key_id=who.key_id if who else getattr(request.state, "key_id", None),
        address=request.client.host if request.client else None,
        method=request.method,
        path=request.scope["path"][:MAX_LOGGED_PATH],
    )


OwnJob = Annotated[JobRecord, Depends(own_job)]
