"""What routes are given: the things that live as long as the app, and who is asking."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from service.api.auth import AdminKey, is_admin
from service.api.bodies import FORM, JSON, media_type
from service.api.metrics import Meters
from service.api.quota import Quota
from service.api.signing import WebhookSecret
from service.api.watch import JobWatch
from service.audit.log import AuditLog
from service.contracts.idempotency import KeyStore
from service.contracts.job_store import JobStore
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.contracts.webhooks import Outbox
from service.jobs import JobQueue
from service.reconciler import Reconciler


@dataclass(frozen=True)
class Services:
    """Made once per app.

    `exclusive` is held to decide that a thing may be used, or that it may be deleted; `ingesting` while a table is
    in the memory, so that there is one at a time.
    """

    settings: Settings
    store: ArtifactStore
    jobs: JobStore
    queue: JobQueue
    reconciler: Reconciler
    keys: KeyStore
    watch: JobWatch
    quota: Quota
    outbox: Outbox
    meters: Meters
    audit: AuditLog
    admin_key: AdminKey | None = None
    webhook_secret: WebhookSecret | None = None
    exclusive: threading.Lock = field(default_factory=threading.Lock)
    ingesting: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Caller:
    """Who asks, from where, and under which request id. `name` is None for the anonymous caller."""

    name: str | None
    request_id: str
    is_admin: bool = False
    address: str | None = None


BEARER = HTTPBearer(auto_error=False, description="the key in CDMT_ADMIN_KEY_FILE; needed only for what admins may do")


def services(request: Request) -> Services:
    """The services of the app that handles this request."""
    return cast(Services, request.app.state.services)


def caller(request: Request) -> Caller:
    """Who is asking. With CDMT_AUTH=off, the only setting there is so far, nobody is asked for a name.

    Unauthorized for a key that is not the admin's, where there is one.
    """
    admin = is_admin(request.headers.get("authorization", ""), services(request).admin_key)
    address = request.client.host if request.client else None
    found = Caller("admin" if admin else None, request.state.request_id, is_admin=admin, address=address)
    request.state.caller = found
    return found


def json_only(request: Request) -> None:
    """415 for a body that does not call itself JSON."""
    media_type(request, JSON)


def multipart_only(request: Request) -> None:
    """415 for a body that does not call itself a form with files."""
    media_type(request, FORM)


ServicesDep = Annotated[Services, Depends(services)]
CallerDep = Annotated[Caller, Depends(caller)]
KNOWN_CALLER = [Depends(BEARER), Depends(caller)]
"""For every route that reads or changes something: a wrong key is refused, whether or not a key is needed there."""
