"""Whether the service lives, and whether it can work."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from redis.exceptions import RedisError
from starlette.responses import PlainTextResponse, RedirectResponse

from service.api.deps import Services, ServicesDep
from service.api.errors import FieldError, Row, problem
from service.contracts.errors import AuditUnavailable
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
    workers, missing = _look_around(services)
    if missing:
        detail = "; ".join(f"{error.pointer}: {error.message}" for error in missing)
        return problem(request, NOT_READY, detail, errors=missing, headers={"Retry-After": "5"})
    return Ready(workers=workers)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(services: ServicesDep) -> Response:
    """What Prometheus scrapes: jobs, queues, workers and requests, in its text format."""
    return Response(generate_latest(services.meters.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/", include_in_schema=False)
def index() -> Response:
    """The documentation, until there is a console."""
    return RedirectResponse("/docs")


def _look_around(services: Services) -> tuple[dict[JobKind, int], list[FieldError]]:
    workers: dict[JobKind, int] = {}
    missing: list[FieldError] = []
    try:
        services.store.check_writable()
    except OSError as error:
        missing.append(FieldError(pointer="store", message=f"not writable: {error.strerror}"))
    try:
        services.audit.check()
    except AuditUnavailable:
        missing.append(FieldError(pointer="audit", message="cannot be written"))
    try:
        workers = services.queue.workers()
        if not any(workers.values()):
            missing.append(FieldError(pointer="worker", message="none is alive"))
    except RedisError:
        missing.append(FieldError(pointer="redis", message="does not answer"))
    return workers, missing
