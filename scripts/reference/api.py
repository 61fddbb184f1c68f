"""The REST API as a page, from the OpenAPI document that the gateway serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.reference.fields import cell, code, table, type_of

METHODS = ("get", "post", "put", "patch", "delete")
INTRODUCTION = """# REST API

Written from the OpenAPI document, which a running service has at `/openapi.json`, and as pages to try things out at
`/docs`. Errors are [problem documents](#problem) (RFC 9457). Who may do what, and why: [access](../access.md).
"""


def page(document: Mapping[str, Any]) -> str:
    """Operations by their nouns, then the objects that they take and give."""
    parts = [INTRODUCTION]
    for tag in _tags(document):
        parts += [f"## {tag.capitalize()}", *(_operation(*operation) for operation in _operations(document, tag))]
    parts.append("## Objects")
    schemas = document["components"]["schemas"]
    parts += [_object(name, schemas[name]) for name in sorted(schemas)]
    return "\n\n".join(parts) + "\n"


def _tags(document: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(operation["tags"][0] for *_, operation in _all(document)))


def _operations(document: Mapping[str, Any], tag: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    return (found for found in _all(document) if found[2]["tags"][0] == tag)


def _all(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield method.upper(), path, {"tags": ["service"], **methods[method]}


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"### {method} {path}", operation.get("description", operation.get("summary", "")), _access(operation)]
    if operation.get("parameters"):
        lines.append("\n".join(("| parameter | type | |", "|---|---|---|", *map(_parameter, operation["parameters"]))))
    lines += [*_body(operation), _answers(operation)]
    return "\n\n".join(line for line in lines if line)


def _access(operation: Mapping[str, Any]) -> str:
    scopes = sorted({scope for way in operation.get("security", ()) for names in way.values() for scope in names})
    if not operation.get("security"):
        return "Public."
    return f"Needs the scope {' or '.join(map('`{}`'.format, scopes))}." if scopes else "Needs any key."


def _parameter(parameter: Mapping[str, Any]) -> str:
    where = {"header": " (header)", "cookie": " (cookie)"}.get(parameter["in"], "")
    meaning = cell(parameter.get("description", ""))
    return f"| `{parameter['name']}`{where} | {type_of(parameter['schema'])} | {meaning} |"


def _body(operation: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content.get("schema", {})
        if "properties" in schema:
            yield f"Body as `{media_type}`:\n\n{table(schema)}"
        else:
            yield f"Body as `{media_type}`: {type_of(schema)}"


def _answers(operation: Mapping[str, Any]) -> str:
    answers = (_answer(status, answer) for status, answer in operation["responses"].items() if status.startswith("2"))
    return "Answers " + "; ".join(answers) + "."


def _answer(status: str, answer: Mapping[str, Any]) -> str:
    types = dict.fromkeys(
        type_of(content["schema"]) for content in answer.get("content", {}).values() if content.get("schema")
    )
    described = answer.get("description", "").rstrip(".")
    return f"{code(int(status))} {' or '.join(types) or described}".strip()


def _object(name: str, schema: Mapping[str, Any]) -> str:
    described = schema.get("description", "")
    return "\n\n".join(
        part
        for part in (f"### {name}", described, table(schema) if "properties" in schema else type_of(schema))
        if part
    )
