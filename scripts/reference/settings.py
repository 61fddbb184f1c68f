"""The settings of the service as a page: environment variables, defaults, meaning."""

from __future__ import annotations

from pydantic_settings import BaseSettings

from scripts.reference.fields import cell, code, type_of

INTRODUCTION = """# Settings

Environment variables of gateway and workers, written from `service/contracts/settings.py`. Times are in seconds, sizes
in bytes; an empty variable means the default. Where a default is none, what the variable switches on is
off.

| variable | type | default | |
|---|---|---|---|
"""


def page(settings: type[BaseSettings]) -> str:
    """One row per variable."""
    schema = settings.model_json_schema()
    rows = (_row(name, field) for name, field in schema["properties"].items())
    return INTRODUCTION + "\n".join(rows) + "\n"


def _row(name: str, field: dict[str, object]) -> str:
    variable = f"CDMT_{name.upper().removeprefix('CDMT_')}"
    default = code(field.get("default")) if field.get("default") is not None else "none"
    return f"| `{variable}` | {type_of(field)} | {default} | {cell(str(field.get('description', '')))} |"
