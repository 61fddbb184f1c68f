"""JSON Schema as Markdown: a table of an object's fields, each with its type, default and meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

JsonSchema = Mapping[str, Any]
BOUNDS = {
    "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below",
    "minLength": "length at least", "maxLength": "length at most", "minItems": "at least", "maxItems": "at most",
}  # fmt: skip
HEADING = ("| field | type | default | |", "|---|---|---|---|")


def table(schema: JsonSchema) -> str:
    """The fields of an object's schema, one a row."""
    required = set(schema.get("required", ()))
    rows = [_row(name, field, is_required=name in required) for name, field in schema["properties"].items()]
    return "\n".join((*HEADING, *rows))


def type_of(schema: JsonSchema) -> str:
    """A type in words, with links to the objects that it names: `integer, at least 1`, `[Label](#label) or null`."""
    if "$ref" in schema:
        return _linked(schema["$ref"])
    for choices in ("anyOf", "oneOf", "allOf"):
        if choices in schema:
            return " or ".join(dict.fromkeys(type_of(choice) for choice in schema[choices]))
    if "const" in schema or "enum" in schema:
        return " or ".join(code(value) for value in schema.get("enum", [schema.get("const")]))
    return ", ".join((_plain(schema), *(f"{words} {schema[key]:,}" for key, words in BOUNDS.items() if key in schema)))


def code(value: object) -> str:
    """A value as JSON, as code in a cell of a table."""
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")


def cell(text: str) -> str:
    """Prose of any length on the one line that a cell has."""
    return " ".join(text.split()).replace("|", "\\|")


def _plain(schema: JsonSchema) -> str:
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, Mapping):
        return f"object of {type_of(values)}"
    return str(kind)


def _linked(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def _row(name: str, field: JsonSchema, *, is_required: bool) -> str:
    default = "required" if is_required else code(field.get("default"))
    return f"| `{name}` | {type_of(field)} | {default} | {cell(field.get('description', ''))} |"
