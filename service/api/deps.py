"""What routes are given: the things that live as long as the app, and who is asking."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from service.contracts.job_store import JobStore
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.jobs import JobQueue


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
    exclusive: threading.Lock = field(default_factory=threading.Lock)
    ingesting: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Caller:
    """Who asks, and under which request id. `name` is None for the anonymous caller."""

    name: str | None
    request_id: str


def services(request: Request) -> Services:
    """The services of the app that handles this request."""
    return cast(Services, request.app.state.services)


def caller(request: Request) -> Caller:
    """Who is asking. With CDMT_AUTH=off, the only setting there is so far, nobody is asked for a name."""
    return Caller(name=None, request_id=request.state.request_id)


def json_only(request: Request) -> None:
    """415 for a body that does not call itself JSON."""
    _check_media_type(request, "application/json")


def multipart_only(request: Request) -> None:
    """415 for a body that does not call itself a form with files."""
    _check_media_type(request, "multipart/form-data")


def _check_media_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise HTTPException(415, f"the body must be of type {wanted}", headers={"Accept-Post": wanted})


ServicesDep = Annotated[Services, Depends(services)]
CallerDep = Annotated[Caller, Depends(caller)]
