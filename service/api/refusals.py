"""Every request that was refused is in the audit log, wherever in the gateway that was decided.

That is, what is answered 401 or 403, and 404 where the thing is another caller's. Not 429: who has to wait would fill
the log. So would who shows no key at all: of those refusals, an address has as many entries as it has wrong keys.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.attempts import Attempts
from service.api.deps import Caller
from service.audit.entries import Event
from service.audit.log import AuditLog
from service.contracts.errors import EndedCredential, TooManyAttempts, Unauthorized
from service.contracts.ids import is_id

REFUSED = frozenset({401, 403})
NOT_FOUND = 404
NAMELESS = frozenset({Unauthorized.reason, EndedCredential.reason})
"""Reasons that take no key to be refused for: the cookie of a session that has ended may be made up."""


class RefusalAudit:
    """Puts down a refusal before it is answered; where it cannot be, it is answered all the same: nothing leaves."""

    def __init__(self, app: ASGIApp, *, audit: AuditLog) -> None:
        self.app = app
        self.audit = audit
        self._nameless = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def put_down(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_put_down(scope, message["status"]):
                await run_in_threadpool(self.audit.append_if_possible, refusal(scope, message["status"]))
            await send(message)

        return await self.app(scope, receive, put_down)

    def _is_put_down(self, scope: Scope, status: int) -> bool:
        state = scope.get("state", {})
        is_refusal = status in REFUSED or (status == NOT_FOUND and "refused" in state)
        is_known = state.get("caller") is not None or state.get("key_id") is not None
        return is_refusal and (is_known or state.get("refused") not in NAMELESS or self._has_room(scope))

    def _has_room(self, scope: Scope) -> bool:
        """Whether the address has an entry left; this takes it."""
        address = (scope.get("client") or ("",))[0]
        try:
            self._nameless.check(address, "")
        except TooManyAttempts:
            return False
        self._nameless.wrong(address)
        return True


def refusal(scope: Scope, status: int) -> Event:
    """That a request was refused. It names the route, and ids that can be ours: paths may say anything."""
    state = scope.get("state", {})
    caller: Caller | None = state.get("caller")
    client = scope.get("client")
    return Event(
        action="access.refused",
        outcome="refused",
        object=_thing(scope),
        caller=caller.name if caller else None,
        key_id=caller.key_id if caller else state.get("key_id"),
        address=client[0] if client else None,
        request_id=state.get("request_id"),
        details={
            "method": scope["method"],
            "route": getattr(scope.get("route"), "path", "unmatched"),
            "status": status,
            "reason": state.get("refused") or state.get("problem", ""),
        },
    )


def _thing(scope: Scope) -> str | None:
    """The kind and id of what the path names, if it does."""
    ids = ((name, value) for name, value in scope.get("path_params", {}).items() if name.endswith("_id"))
    return next((f"{name.removesuffix('_id')}/{value}" for name, value in ids if is_id(str(value))), None)
