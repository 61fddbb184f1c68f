"""What every answer tells a browser: who may show it, and what its page may load. Nothing, but for our own pages."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.console.places import is_page

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS = "max-age=31536000"
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
STYLES_OF_DOCS = {"/docs": "'self'", "/redoc": "'unsafe-inline'"}  # ReDoc makes its styles as it goes
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class SecurityHeaders:
    """Stamps every answer. What a route says of its own answer (caching, a policy of its own) stands."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, is_tls = scope["path"], scope["scheme"] == "https"

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                _stamp(MutableHeaders(scope=message), path, is_tls=is_tls)
            await send(message)

        return await self.app(scope, receive, _documented(path, stamped) if path in STYLES_OF_DOCS else stamped)


def _stamp(headers: MutableHeaders, path: str, *, is_tls: bool) -> None:
    headers.update(ALWAYS)
    policy = headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page(path) else API_POLICY)
    headers["X-Frame-Options"] = "SAMEORIGIN" if "frame-ancestors 'self'" in policy else "DENY"
    headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "no-store")
    if is_tls:
        headers["Strict-Transport-Security"] = HSTS


def _documented(path: str, send: Send) -> Send:
    """For a page of the documentation, which comes in one part: its own inline script is known by its hash."""
    start: Message = {}

    async def held(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        if start:
            policy = docs_policy(message.get("body", b""), styles=STYLES_OF_DOCS[path])
            MutableHeaders(scope=start).setdefault("Content-Security-Policy", policy)
            await send(start)
            start = {}
        await send(message)

    return held


def docs_policy(page: bytes, *, styles: str) -> str:
    """What Swagger UI and ReDoc need: their script, a worker of ReDoc's to search in, and to ask this service."""
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(page)]
    scripts = " ".join(["'self'", *(f"'sha256-{known}'" for known in hashes)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src 'self' data:; connect-src 'self'; "
        "worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
