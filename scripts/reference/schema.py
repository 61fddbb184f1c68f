"""The schema of a table as a page: every object that a schema file may hold."""

from __future__ import annotations

from pydantic import BaseModel

from scripts.reference.fields import table

INTRODUCTION = """# Schema of a table

What `schema` in `POST /datasets` and `--schema` of the command line may hold, written from `model/spec/schema.py`.
[Tables](../tables.md) explains it with examples.
"""


def page(schema: type[BaseModel]) -> str:
    """The object itself, then those that it is made of."""
    document = schema.model_json_schema()
    objects = {schema.__name__: document, **document.get("$defs", {})}
    parts = (_object(name, described) for name, described in objects.items())
    return "\n\n".join((INTRODUCTION, *parts)) + "\n"


def _object(name: str, described: dict[str, object]) -> str:
    return f"## {name}\n\n{described.get('description', '')}\n\n{table(described)}"
