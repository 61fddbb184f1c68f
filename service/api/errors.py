"""Every error that leaves the service is a problem document (RFC 9457); which one, says the table below."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from model.spec.errors import (
    CDMTError,
    CheckpointError,
    DataError,
    ExportError,
    GuidanceError,
    RatioError,
    SchemaError,
    TableTooLarge,
)
from service.api.bodies import prefers_html
from service.api.fields import BadFields, FieldError, errors_elsewhere, escaped, field_errors
from service.console.places import is_page
from service.console.rendering import render
from service.contracts.errors import (
    AlreadyPublished,
    AuditUnavailable,
    CrossSite,
    Forbidden,
    IllegalTransition,
    InUse,
    KeyEnded,
    KeyInFlight,
    KeyReused,
    LimitExceeded,
    MissingScope,
    NotFound,
    NotReady,
    PrivacyHeld,
    ProviderUnavailable,
    QueueUnavailable,
    TooManyAttempts,
    TooManyJobs,
    Unauthorized,
)
from service.contracts.jobs import problem_type

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
ANSWER_HEADERS = {
    "unauthorized": {"WWW-Authenticate": "Bearer"},
    "key-in-flight": {"Retry-After": "1"},
    "too-many-jobs": {"Retry-After": "5"},
    "audit-unavailable": {"Retry-After": "5"},
    "provider-unavailable": {"Retry-After": "30"},
    "queue-unavailable": {"Retry-After": "5"},
}


class Problem(BaseModel):
    """An error. `detail` and `errors` name what is wrong; they never quote an uploaded value."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] | None = Field(None, description="only for a bad body or query")


class Row(NamedTuple):
    """How a type of exception is answered."""

    status: int
    slug: str
    title: str


# The first type in an exception's MRO that is in here decides.
TABLE: dict[type[BaseException], Row] = {
    Unauthorized: Row(401, "unauthorized", "Not known here"),
    CrossSite: Row(403, "cross-site", "Not made by a page of this service"),
    Forbidden: Row(403, "forbidden", "Not allowed"),
    MissingScope: Row(403, "missing-scope", "Not allowed with this key"),
    PrivacyHeld: Row(403, "privacy-held", "Held back by the privacy gate"),
    NotFound: Row(404, "not-found", "Not found"),
    AlreadyPublished: Row(409, "already-there", "Already there"),
    IllegalTransition: Row(409, "wrong-state", "The job's state does not allow this"),
    InUse: Row(409, "in-use", "In use"),
    KeyEnded: Row(409, "key-ended", "The key has ended"),
    KeyInFlight: Row(409, "key-in-flight", "A request with this key is being handled"),
    NotReady: Row(409, "not-ready", "Not there yet"),
    TableTooLarge: Row(413, "too-large", "Content Too Large"),
    BadFields: Row(422, "invalid-request", "The request is not valid"),
    CheckpointError: Row(422, "invalid-model", "Not a model that can be used"),
    DataError: Row(422, "invalid-data", "The table does not match its schema"),
    ExportError: Row(422, "not-exportable", "The cohort cannot be written like that"),
    KeyReused: Row(422, "key-reused", "The key came with another request"),
    LimitExceeded: Row(422, "limit-exceeded", "More than this installation allows"),
    GuidanceError: Row(422, "invalid-guidance", "The guidance names what the model does not have"),
    RatioError: Row(422, "invalid-ratios", "The label ratios cannot be satisfied"),
    SchemaError: Row(422, "invalid-schema", "The schema contradicts itself or the table"),
    TooManyAttempts: Row(429, "too-many-attempts", "Too many wrong keys"),
    TooManyJobs: Row(429, "too-many-jobs", "Too many unfinished jobs"),
    AuditUnavailable: Row(503, "audit-unavailable", "The audit log cannot be written"),
    ProviderUnavailable: Row(503, "provider-unavailable", "The identity provider does not answer"),
    QueueUnavailable: Row(503, "queue-unavailable", "The job queue does not answer"),
    RedisError: Row(503, "queue-unavailable", "The job queue does not answer"),
    CDMTError: Row(500, "internal-error", "Something went wrong here"),
}
DISK_FULL_ROW = Row(507, "disk-full", "The disk is full")
DISK_FULL_DETAIL = "disk full: nothing of this request was kept; free some space first"
INTERNAL_ROW = Row(500, "internal-error", "Something went wrong here")
INTERNAL_DETAIL = "an unexpected error; the log of the gateway has it under this request_id"

# Phrases for what the framework raises by itself.
SLUGS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "wrong-media-type"}


def install(app: FastAPI) -> None:
    """Answer every exception of this app by the table."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    for kind in (CDMTError, RedisError, OSError):
        app.add_exception_handler(kind, _ours)


def problem(
    request: Request,
    row: Row,
    detail: str,
    *,
    errors: Sequence[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response that says so: a problem document, or for whoever looks at a page of the console a page."""
    request.state.problem = row.slug
    body = Problem(
        type=problem_type(row.slug),
        title=row.title,
        status=row.status,
        detail=detail,
        instance=quote(request.scope["path"]),  # not request.url, of which the Host header is a part
        request_id=request.state.request_id,
        errors=list(errors) if errors is not None else None,
    )
    if is_page(request.scope["path"]) and prefers_html(request.headers.get("accept", "")):
        return HTMLResponse(render("problem.html.j2", problem=body), row.status, headers)
    return JSONResponse(
        body.model_dump(exclude_none=True), status_code=row.status, headers=headers, media_type=MEDIA_TYPE
    )


def internal_problem(request: Request) -> Response:
    """The answer to what nobody foresaw; says nothing about it."""
    return problem(request, INTERNAL_ROW, INTERNAL_DETAIL)


def own_problem(request: Request, error: Exception) -> Response:
    """The answer to an exception whose type is in the table."""
    row = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return problem(request, row, _detail(error), errors=_own_fields(error), headers=_own_headers(error, row))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(detail["type"] == "json_invalid" for detail in error.errors()):
        return problem(request, Row(400, "not-json", "The body is not JSON"), "the body cannot be read as JSON")
    in_body = ({**e, "loc": e["loc"][1:]} for e in error.errors() if e["loc"][0] == "body")
    elsewhere = [e for e in error.errors() if e["loc"][0] != "body"]
    bad = BadFields([*field_errors(in_body, error.body), *errors_elsewhere(elsewhere)])
    return problem(request, TABLE[BadFields], str(bad), errors=bad.errors)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return Response(status_code=error.status_code, headers=error.headers)
    phrase = HTTPStatus(error.status_code).phrase
    row = Row(error.status_code, SLUGS.get(error.status_code, phrase.lower().replace(" ", "-")), phrase)
    headers = _allowed(request) if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return problem(request, row, error.detail, headers=headers)


def _allowed(request: Request) -> dict[str, str]:
    """Every method of the path; the router, which keeps a route for each, names only that of the first."""
    route = getattr(request.scope.get("route"), "path", "")
    methods = {method.upper() for method in request.app.openapi()["paths"].get(route, {"get": None})}
    return {"Allow": ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))}


async def _ours(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and not isinstance(error, RedisError):
        return _operating_system(request, error)
    if isinstance(error, AuditUnavailable) and error.errno in DISK_FULL:
        return problem(request, DISK_FULL_ROW, DISK_FULL_DETAIL)
    return own_problem(request, error)


def _detail(error: Exception) -> str:
    """What a client is told; where things lie here is not for it."""
    match error:
        case RedisError():
            return "the job queue does not answer; try again later"
        case AuditUnavailable():
            log.error("audit_unavailable", detail=str(error))
            return "the audit log cannot be written, and without it nothing is handed out or changed; try again later"
    return str(error)


def _operating_system(request: Request, error: OSError) -> Response:
    if error.errno in DISK_FULL:
        return problem(request, DISK_FULL_ROW, DISK_FULL_DETAIL)
    raise error


def _own_fields(error: Exception) -> list[FieldError] | None:
    """The field at fault, where the exception knows it."""
    match error:
        case BadFields():
            return error.errors
        case LimitExceeded():
            return [FieldError(pointer=error.pointer, message=str(error))]
        case GuidanceError():
            return [FieldError(pointer="/sampler/guidance_scale/labels", message=str(error))]
        case RatioError():
            return [FieldError(pointer="/label_ratios", message=str(error))]
        case DataError(column=str() as column):
            return [FieldError(pointer=f"/file/{escaped(column)}", message=str(error))]
    return None


def _own_headers(error: Exception, row: Row) -> Mapping[str, str] | None:
    match error:
        case MissingScope():
            scope = " ".join(error.wanted)
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
        case TooManyAttempts():
            return {"Retry-After": str(error.retry_after)}
    return ANSWER_HEADERS.get(row.slug)
