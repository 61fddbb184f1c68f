"""What routes are given: the things that live as long as the app, and who is asking."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from service.api.attempts import Attempts
from service.api.auth import Authenticator, Identity
from service.api.bodies import FORM, JSON, media_type
from service.api.metrics import Meters
from service.api.quota import Quota
from service.api.sessions import Sessions
from service.api.signing import WebhookSecret
from service.api.watch import JobWatch
from service.audit.log import AuditLog
from service.contracts.idempotency import KeyStore
from service.contracts.job_store import JobStore
from service.contracts.keys import Scope
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.contracts.webhooks import Outbox
from service.jobs import JobQueue
from service.reconciler import Reconciler


@dataclass(frozen=True)
class Services:
    """Made once per app.

    `exclusive` is held to decide that a thing may be used, or that it may be deleted; `ingesting` while a table
    is in the memory or an archive unpacked, so that there is one at a time.
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
    authenticator: Authenticator
    attempts: Attempts
    sessions: Sessions
    webhook_secret: WebhookSecret | None = None
    exclusive: threading.Lock = field(default_factory=threading.Lock)
    ingesting: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Caller:
    """Who asks, from where, and under which request id."""

    identity: Identity
    request_id: str
    address: str | None = None

    @property
    def name(self) -> str | None:
        """Whose jobs these are; None where nobody is asked who they are."""
        return self.identity.name

    @property
    def key_id(self) -> str | None:
        """Of the key that was shown, if it was one of ours."""
        return self.identity.credential.key_id if self.identity.credential else None

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return "admin" in self.identity.scopes

    def may(self, *scopes: Scope) -> bool:
        """Whether the caller has one of these scopes, or none is wanted."""
        return not scopes or self.is_admin or not self.identity.scopes.isdisjoint(scopes)

    def owns(self, owner: str | None) -> bool:
        """Whether what `owner` has made is the caller's, too. Where nobody is asked, everything is everybody's."""
        return self.is_admin or self.name is None or self.name == owner


def services(request: Request) -> Services:
    """The services of the app that handles this request."""
    return cast(Services, request.app.state.services)


def caller(request: Request) -> Caller:
    """Who is asking, as the guard has found out."""
    return cast(Caller, request.state.caller)


def json_only(request: Request) -> None:
    """415 for a body that does not call itself JSON."""
    media_type(request, JSON)


def multipart_only(request: Request) -> None:
    """415 for a body that does not call itself a form with files."""
    media_type(request, FORM)


ServicesDep = Annotated[Services, Depends(services)]
CallerDep = Annotated[Caller, Depends(caller)]
