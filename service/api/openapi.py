"""The parts of the OpenAPI document that FastAPI cannot know: forms that are streamed, problem documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

from service.api.errors import MEDIA_TYPE, Problem

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
PROBLEM_RESPONSE: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "A problem document (RFC 9457) says what is wrong."}
}


def file_form(file: str, *, fields: Mapping[str, str]) -> dict[str, Any]:
    """The description of a multipart body with a `file` and optional text `fields`, each with its meaning."""
    properties = {"file": {"type": "string", "format": "binary", "description": file}}
    properties |= {name: {"type": "string", "description": meaning} for name, meaning in fields.items()}
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def with_problems(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """`app.openapi`, with errors of the media type that they really have."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"]["default"]["content"] = {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}
            app.openapi_schema = document
        return app.openapi_schema

    return openapi
