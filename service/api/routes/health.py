"""Whether the service lives, and whether it can work."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, RedirectResponse

from service.api.bodies import prefers_html
from service.api.deps import ServicesDep
from service.api.errors import Row, problem
from service.api.readiness import look_around
from service.contracts.jobs import JobKind

NOT_READY = Row(503, "not-ready", "Not ready")

router = APIRouter(tags=["service"])


class Alive(BaseModel):
    """The gateway answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Jobs can be taken and will be run; `workers` counts those alive per kind of job."""

    status: Literal["ready"] = "ready"
    workers: dict[JobKind, int]


@router.get("/livez")
async def livez() -> Alive:  # async: it needs no thread, which others that wait for Redis may hold
    """Whether the gateway answers."""
    return Alive()


@router.get("/readyz", response_model=Ready)
def readyz(request: Request, services: ServicesDep) -> Ready | Response:
    """Whether the queue answers, the store can be written to and a worker is alive; 503 with what is missing."""
    workers, missing = look_around(services)
    if missing:
        detail = "; ".join(f"{error.pointer}: {error.message}" for error in missing)
        return problem(request, NOT_READY, detail, errors=missing, headers={"Retry-After": "5"})
    return Ready(workers=workers)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(services: ServicesDep) -> Response:
    """What Prometheus scrapes: jobs, queues, workers and requests, in its text format."""
    return Response(generate_latest(services.meters.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/", include_in_schema=False)
def index(request: Request) -> Response:
    """The console for a browser, the documentation for a program."""
    wants_page = prefers_html(request.headers.get("accept", ""))
    return RedirectResponse("/console" if wants_page else "/docs", headers={"Vary": "Accept"})
