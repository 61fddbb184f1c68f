"""Before any route: nobody gets further than this without saying who they are, except to what is public."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from service.api.access import is_public, refused
from service.api.auth import ANYBODY, Credential, Identity
from service.api.deps import Caller, Services
from service.api.sessions import check_csrf_token, check_origin, session_cookie
from service.contracts.errors import AccessRefused, EndedCredential, Unauthorized, WrongCredential

NO_CREDENTIAL = "this needs a key: Authorization: Bearer <key>"


class Guard:
    """Puts the caller into `request.state.caller`, or answers in place of the app."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self.app = app
        self.services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or is_public(scope["path"]):
            return await self.app(scope, receive, send)
        request = Request(scope)
        try:
            identity = await run_in_threadpool(_identity, request, self.services)
        except AccessRefused as error:
            response = refused(request, error)
            response.headers["Connection"] = "close"  # the body that may be under way is not read
            return await response(scope, receive, send)
        who = Caller(identity, request.state.request_id, address=_address(request))
        request.state.caller = who
        if who.name is not None:
            bind_contextvars(caller=who.name, key_id=who.key_id)
        return await self.app(scope, receive, send)


def is_still_let_in(request: Request, caller: Caller, services: Services) -> bool:
    """Whether who has made a request would be let in again, by a session only while it is open."""
    if getattr(request.state, "session", None) is not None:
        try:
            services.sessions.find(session_cookie(request) or "")
        except EndedCredential:
            return False
    return services.authenticator.is_still(caller.identity)


def _identity(request: Request, services: Services) -> Identity:
    """Who makes the request, by its key or its session. AccessRefused."""
    token = _bearer(request)
    if token is not None:
        return _by_token(token, request, services)
    is_off = services.settings.is_auth_off
    session_id = session_cookie(request)
    if session_id is not None:
        try:
            return _by_session(session_id, request, services)
        except EndedCredential:
            if not is_off:
                raise
    if not is_off:
        raise Unauthorized(NO_CREDENTIAL)
    check_origin(request)
    return ANYBODY


def _by_token(token: str, request: Request, services: Services) -> Identity:
    credential = Credential.of(token)
    request.state.key_id = credential.key_id
    address = _address(request) or ""
    services.attempts.check(address, credential.sha256)
    try:
        identity = services.authenticator.identify(token)
    except WrongCredential:
        services.attempts.wrong(address)
        raise
    services.attempts.right(address, credential.sha256)
    return identity


def _by_session(session_id: str, request: Request, services: Services) -> Identity:
    session = services.sessions.find(session_id)
    try:
        identity = services.authenticator.check(session.credential)
    except WrongCredential:  # the key was rotated twice, or its record is gone
        raise EndedCredential("the key of this session has ended; log in again") from None
    check_origin(request)
    check_csrf_token(request, session)
    request.state.session = session
    return identity


def _bearer(request: Request) -> str | None:
    """The token in the `Authorization` header. Other schemes are left to a proxy in front of us."""
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None
