"""What a request brings and wants: bodies that a route reads by itself, and the media types of both ways."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from model.spec.base import Spec

JSON, FORM = "application/json", "multipart/form-data"

Body = TypeVar("Body", bound=Spec)


def media_type(request: Request, *allowed: str) -> str:
    """The media type of the body; 415 if it is none of those allowed."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        wanted = ", ".join(allowed)
        raise HTTPException(415, f"the body must be of type {' or '.join(allowed)}", headers={"Accept-Post": wanted})
    return given


async def json_body(request: Request, kind: type[Body]) -> Body:
    """The JSON body as a `kind`. RequestValidationError, as if FastAPI had read it."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": "not JSON"}]) from None
    return parsed(body, kind)


def parsed(body: Any, kind: type[Body]) -> Body:  # noqa: ANN401  whatever JSON can be
    """`body` as a `kind`; RequestValidationError."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        errors = [{**detail, "loc": ("body", *detail["loc"])} for detail in error.errors(include_url=False)]
        raise RequestValidationError(errors, body=body) from None


def prefers_html(accept: str) -> bool:
    """Whether an `Accept` header ranks HTML above JSON; JSON where it does not care."""
    return _quality(accept, "text/html") > _quality(accept, "application/json")


def _quality(accept: str, media_type: str) -> float:
    """The q of `media_type` by the most specific range that covers it (RFC 9110, 12.5.1)."""
    ranges = {}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        weights = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
        try:
            ranges[name] = float(weights[0]) if weights else 1.0
        except ValueError:
            ranges[name] = 0.0
    for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0
