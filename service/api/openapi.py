"""The parts of the OpenAPI document that FastAPI cannot know: forms that are streamed, problem documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from service.api.errors import MEDIA_TYPE, Problem

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
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


def with_problems(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """`app.openapi`, with errors of the media type that they really have, and keys that may be absent."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"]["default"]["content"] = {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}
                    if "security" in operation:  # a key is wanted only for what admins may do
                        operation["security"] = [{}, *operation["security"]]
            app.openapi_schema = document
        return app.openapi_schema

    return openapi
