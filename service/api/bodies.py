"""Bodies that a route reads by itself, because it takes more than one media type."""

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
