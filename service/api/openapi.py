"""The parts of the OpenAPI document that FastAPI cannot know: forms that are streamed, problem documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from service.api.access import RULES, is_public
from service.api.errors import MEDIA_TYPE, Problem

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}
REFUSALS = {
    "401": {"description": "No key, or one that is not good (any more).", "content": PROBLEM_CONTENT},
    "403": {"description": "Not allowed; the detail names the missing scope.", "content": PROBLEM_CONTENT},
    "429": {"description": "Too many wrong keys, or too many unfinished jobs.", "content": PROBLEM_CONTENT},
}
SECURITY_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "a key of `cdmt keys create` or POST /keys, or an identity provider's token; beside the scopes "
        "that are named, admin will do",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "cdmt-session",
        "description": "the cookie of POST /session (over TLS __Host-cdmt-session); what changes something needs "
        "X-CSRF-Token, too",
    },
}
PROBLEM_RESPONSE: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "A problem document (RFC 9457) says what is wrong."}
}


def file_form(file: str, *, fields: Mapping[str, str], required: Sequence[str] = ()) -> dict[str, Any]:
    """The description of a multipart body with a `file` and text `fields`, each with its meaning."""
    properties = {"file": {"type": "string", "format": "binary", "description": file}}
    properties |= {name: {"type": "string", "description": meaning} for name, meaning in fields.items()}
    schema = {"type": "object", "required": ["file", *required], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def with_json(body: type[BaseModel], form: dict[str, Any]) -> dict[str, Any]:
    """The description of a body that is either `form` or the JSON of a `body`, which is described elsewhere, too."""
    described = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}
    return {"requestBody": {"required": True, "content": {**described, **form["requestBody"]["content"]}}}


def with_access_and_problems(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """`app.openapi`, with errors of the media type that they really have, and who may use which operation."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["securitySchemes"] = SECURITY_SCHEMES
            document["components"]["responses"] = REFUSALS
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    operation["responses"]["default"]["content"] = PROBLEM_CONTENT
                    _say_who_may(operation, path, method)
            app.openapi_schema = document
        return app.openapi_schema

    return openapi


def _say_who_may(operation: dict[str, Any], path: str, method: str) -> None:
    """Any of these is enough: a key or a session, with one of the scopes."""
    if is_public(path):
        operation["security"] = []
        return
    scopes = RULES.get(f"{method.upper()} {path}", ())
    operation["security"] = [{name: [scope]} for scope in scopes for name in SECURITY_SCHEMES] or [
        {name: []} for name in SECURITY_SCHEMES
    ]
    operation["responses"] |= {code: {"$ref": f"#/components/responses/{code}"} for code in REFUSALS}
