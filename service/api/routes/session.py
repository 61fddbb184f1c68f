"""Sessions of the console: a key is shown once, and a cookie stands for it from then on."""

from __future__ import annotations

from typing import Literal, cast

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime

from model.spec.base import Spec
from service.api.auditing import event
from service.api.auth import Way
from service.api.deps import Caller, CallerDep, ServicesDep
from service.api.sessions import Session, forget_cookie, session_cookie, set_cookie
from service.contracts.errors import Unauthorized
from service.contracts.keys import SCOPES, Scope

NO_KEY = "a session begins with a key: Authorization: Bearer <key>"

router = APIRouter(prefix="/session", tags=["access"])


class SessionView(Spec):
    """Who one is. `csrf_token` goes into the header X-CSRF-Token of each request that changes something."""

    auth: Literal["keys", "off"]
    name: str | None
    way: Way
    key_id: str | None
    scopes: tuple[Scope, ...]
    expires_at: AwareDatetime | None
    csrf_token: str | None


@router.post("", status_code=201)
def log_in(request: Request, response: Response, services: ServicesDep, caller: CallerDep) -> SessionView:
    """Open a session for the key in `Authorization`; the cookie comes with the answer."""
    if caller.identity.credential is None or _session(request) is not None:
        raise Unauthorized(NO_KEY)
    services.audit.append(event("session.open", _key(caller), caller=caller))
    session_id, session = services.sessions.open(caller.identity.credential)
    set_cookie(request, response, session_id, seconds=services.settings.session_seconds)
    request.state.session = session
    return who_am_i(request, response, services, caller)


@router.get("")
def who_am_i(request: Request, response: Response, services: ServicesDep, caller: CallerDep) -> SessionView:
    """Who one is, by key or session, and what one may do."""
    session = _session(request)
    response.headers["Cache-Control"] = "no-store"
    return SessionView(
        auth="off" if services.settings.is_auth_off else "keys",
        name=caller.name,
        way=caller.identity.way,
        key_id=caller.key_id,
        scopes=tuple(scope for scope in SCOPES if caller.may(scope)),
        expires_at=session.expires_at if session else caller.identity.expires_at,
        csrf_token=session.csrf_token if session else None,
    )


@router.delete("", status_code=204)
def log_out(request: Request, response: Response, services: ServicesDep, caller: CallerDep) -> None:
    """End the session of the cookie."""
    session_id = session_cookie(request)
    if session_id is not None:
        with services.audit.recorded_if_possible(event("session.close", _key(caller), caller=caller)):
            services.sessions.close(session_id)
    forget_cookie(request, response)


def _session(request: Request) -> Session | None:
    return cast("Session | None", getattr(request.state, "session", None))


def _key(caller: Caller) -> str | None:
    return f"key/{caller.key_id}" if caller.key_id else None
