"""What every request passes through on its way in, and every answer on its way out."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Container
from typing import cast

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.bodies import FORM
from service.api.errors import Row, internal_problem, problem
from service.api.metrics import Meters
from service.contracts.ids import new_id

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
MAX_LOGGED_PATH = 200
PORT = re.compile(r":[0-9]*$")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})
WRONG_HOST = (
    "without keys (CDMT_AUTH) only requests to this machine itself are answered: "
    "the Host of this one is neither its loopback nor CDMT_HOST, or a proxy has passed it on"
)
PATIENCE_SECONDS = 60.0
SLOWEST_BYTES_PER_SECOND = 1024
"""A body must have come at this rate at least, but for the first seconds."""
TOO_SLOW = "the body comes too slowly"
HEAD = "cdmt.head"  # in the scope of a HEAD request, which the routes see as GET

log = structlog.get_logger(__name__)


class RequestContext:
    """Gives each request an id, writes one log line about it, counts it, and answers what nobody else caught."""

    def __init__(self, app: ASGIApp, *, meters: Meters) -> None:
        self.app = app
        self.meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id, method = _request_id(scope), scope["method"]
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            start = time.monotonic()
            try:
                await self._handle(scope, receive, answer)
            finally:
                milliseconds = round(1000 * (time.monotonic() - start), 1)
                path = scope["path"][:MAX_LOGGED_PATH]
                log.info("request", method=method, path=path, status=answer.status, ms=milliseconds)
                self.meters.count_request(scope, method=method, status=answer.status)
        return None

    async def _handle(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self.app(scope, receive, answer.send)
        except ClientDisconnect:
            log.info("the client went away")
        except Exception as error:
            log.error("unexpected error", exc_info=error)  # the log keeps its type and frames, not its message
            if answer.status is not None:
                # Breaking the connection tells the client that the answer is not whole.
                raise RuntimeError("an answer broke off") from None
            await internal_problem(Request(scope))(scope, receive, answer.send)


class _Answer:
    """Remembers the status of an answer and stamps it with the request's id."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self._request_id
        await self._send(message)


class HostCheck:
    """421 for a name that is not ours: a web page somewhere has made its own name point here (DNS rebinding).

    And for what comes by way of a proxy, which would let in everybody as if they were on this machine.
    """

    def __init__(self, app: ASGIApp, *, host: str) -> None:
        self.app = app
        self.hosts = LOOPBACK_NAMES | {f"[{host}]".lower() if ":" in host else host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or (_host(scope) in self.hosts and not _is_passed_on(scope)):
            return await self.app(scope, receive, send)
        response = problem(Request(scope), Row(421, "wrong-host", "Misdirected Request"), WRONG_HOST)
        return await response(scope, receive, send)


def _is_passed_on(scope: Scope) -> bool:
    return not FORWARDED.isdisjoint(name.lower() for name, _ in scope["headers"])


def _host(scope: Scope) -> str:
    return PORT.sub("", Headers(scope=scope).get("host", "")).lower()


class BodyLimit:
    """413 for a body that is announced too long, at once, and for one that turns out to be; 408 for a slow one."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, max_upload_bytes: int, uploads: Container[str]) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.max_upload_bytes = max_upload_bytes
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        limit = self.max_upload_bytes if self._is_upload(scope["path"], headers) else self.max_body_bytes
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > limit:
            row = Row(413, "too-large", "Content Too Large")
            response = problem(Request(scope), row, _too_large(limit), headers={"Connection": "close"})
            return await response(scope, receive, send)
        return await self.app(scope, _counted(receive, limit), send)

    def _is_upload(self, path: str, headers: Headers) -> bool:
        """Whether the route streams the body to the disk: a form, where forms are taken."""
        return path in self.uploads and headers.get("content-type", "").strip().lower().startswith(FORM)


def _counted(receive: Receive, limit: int) -> Receive:
    total, is_whole, begin = 0, False, 0.0

    async def counted() -> Message:
        nonlocal total, is_whole, begin
        if is_whole:  # what may still come is the news that the client has gone away
            return await receive()
        begin = begin or time.monotonic()
        message = await _before(begin + PATIENCE_SECONDS + total / SLOWEST_BYTES_PER_SECOND, receive)
        is_whole = not message.get("more_body", False)
        total += len(message.get("body", b""))
        if total > limit:
            raise HTTPException(413, _too_large(limit), headers={"Connection": "close"})
        return message

    return counted


async def _before(deadline: float, receive: Receive) -> Message:
    """The next part of the body; 408 where it does not come in time."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            return await receive()
    except TimeoutError:
        raise HTTPException(408, TOO_SLOW, headers={"Connection": "close"}) from None


def _too_large(limit: int) -> str:
    return f"the body is longer than the {limit} bytes that are allowed here"


class HeadAsGet:
    """Answers HEAD wherever there is a GET: the same status and headers, no body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope.update({"method": "GET", HEAD: True})  # the same scope: the router writes into it which route it is
        return await self.app(scope, receive, without_body)


def is_head(scope: Scope) -> bool:
    """Whether the client wants the headers only, so that a body need not be made."""
    return cast(bool, scope.get(HEAD, False))


def _request_id(scope: Scope) -> str:
    wanted = Headers(scope=scope).get("x-request-id", "")
    return wanted if REQUEST_ID.fullmatch(wanted) else new_id()
