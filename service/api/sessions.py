"""Sessions of the console: a cookie that scripts cannot read stands for a key, and dies with it.

They are kept in the memory of the gateway: its restart ends them. The cookie is as good as the key, so a request that
changes something must also show that a page of ours has made it (`check_origin`, `check_csrf_token`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response

from service.api.auth import Credential
from service.contracts.errors import CrossSite, EndedCredential
from service.contracts.jobs import now

CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_SESSIONS = 10_000  # the oldest are forgotten
MAX_OF_A_KEY = 100  # so that no key's holder can log out everybody else


@dataclass(frozen=True)
class Session:
    """For which key a cookie stands, and until when. `csrf_token` is what a page must send to change something."""

    credential: Credential
    expires_at: datetime
    csrf_token: str = field(repr=False)


class Sessions:
    """All sessions of this gateway, by a digest of their secret id; may be used from several threads."""

    def __init__(self, *, seconds: float, clock: Callable[[], datetime] = now) -> None:
        self._lifetime = timedelta(seconds=seconds)
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, credential: Credential) -> tuple[str, Session]:
        """A new session and its secret id."""
        session_id = secrets.token_urlsafe(32)
        session = Session(credential, self._clock() + self._lifetime, csrf_token=secrets.token_urlsafe(32))
        with self._lock:
            self._make_room_for(credential)
            self._sessions[_digest(session_id)] = session
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return session_id, session

    def find(self, session_id: str) -> Session:
        """The session of this id; EndedCredential."""
        with self._lock:
            session = self._sessions.get(_digest(session_id))
        if session is None or session.expires_at <= self._clock():
            self.close(session_id)
            raise EndedCredential("this session has ended; log in again")
        return session

    def close(self, session_id: str) -> None:
        """End a session, if there is one of this id."""
        with self._lock:
            self._sessions.pop(_digest(session_id), None)

    def _make_room_for(self, credential: Credential) -> None:
        """Forget the oldest session of a key that has as many as it may."""
        own = [digest for digest, session in self._sessions.items() if _are_one_key(session.credential, credential)]
        if len(own) >= MAX_OF_A_KEY:
            del self._sessions[own[0]]


def session_cookie(request: Request) -> str | None:
    """The session's id in the cookie of a request, if it has one."""
    return request.cookies.get(_cookie_name(request))


def set_cookie(request: Request, response: Response, session_id: str, *, seconds: int) -> None:
    """Hand the session's id to the browser; to no script, to no other site, and over TLS never without."""
    response.set_cookie(
        _cookie_name(request), session_id, max_age=seconds, httponly=True, samesite="strict", secure=_is_tls(request)
    )


def forget_cookie(request: Request, response: Response) -> None:
    """Let the browser forget the session's id."""
    response.delete_cookie(_cookie_name(request), httponly=True, samesite="strict", secure=_is_tls(request))


def check_origin(request: Request) -> None:
    """CrossSite for a request that would change something and that a page of another site has made.

    For requests that need not show a key: a browser sends those for any page.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    is_foreign = origin is not None and _host_of(origin) != request.headers.get("host")
    if is_foreign or request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise CrossSite("the request comes from a page of another site")


def check_csrf_token(request: Request, session: Session) -> None:
    """CrossSite for a request that would change something and does not show what pages of ours alone can read."""
    if request.method in SAFE_METHODS:
        return
    if not hmac.compare_digest(_digest(request.headers.get(CSRF_HEADER, "")), _digest(session.csrf_token)):
        raise CrossSite(f"with a session, this needs the header {CSRF_HEADER}; GET /session says which")


def _are_one_key(one: Credential, other: Credential) -> bool:
    """Whatever its secret: a rotation makes no room for more. The key in the file has no id."""
    return one.key_id == other.key_id if one.key_id is not None else one.sha256 == other.sha256


def _host_of(origin: str) -> str:
    """With its port; what is no origin is of nowhere."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _cookie_name(request: Request) -> str:
    """Over TLS one that no other host may set; browsers refuse that name without."""
    return "__Host-cdmt-session" if _is_tls(request) else "cdmt-session"


def _is_tls(request: Request) -> bool:
    return bool(request.scope["scheme"] == "https")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
