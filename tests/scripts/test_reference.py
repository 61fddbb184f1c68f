"""The pages of the reference: what a small document, a small program and small models come to."""

from __future__ import annotations

from typing import Any

import typer
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from scripts.reference import api, command_line, schema, settings
from scripts.reference.fields import cell, table, type_of

LABEL = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "description": "a|b"}}}
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/labels/{id}": {
            "get": {
                "tags": ["labels"],
                "description": "A label.",
                "security": [{"key": ["read"]}, {"session": ["read"]}],
                "parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}}],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Label"}}}},
                    "404": {"description": "none"},
                },
            },
        },
        "/livez": {"get": {"summary": "Alive", "responses": {"204": {"description": "It is."}}}},
    },
    "components": {"schemas": {"Label": LABEL}},
}


def test_types_are_told_in_words() -> None:
    assert type_of({"type": "integer", "minimum": 1, "maximum": 48_000}) == "integer, at least 1, at most 48,000"
    assert type_of({"anyOf": [{"$ref": "#/x/Label"}, {"type": "null"}]}) == "[Label](#label) or null"
    assert type_of({"type": "array", "items": {"enum": ["a", 1]}}) == 'list of `"a"` or `1`'
    assert type_of({"type": "object", "additionalProperties": {"type": "number"}}) == "object of number"


def test_a_cell_is_one_line_without_bars() -> None:
    assert cell("a\n  b | c") == "a b \\| c"


def test_fields_are_rows() -> None:
    rows = table({"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "number", "default": 0.5}}})
    assert rows.splitlines()[2:] == ["| `a` | string | required |  |", "| `b` | number | `0.5` |  |"]


def test_an_operation_says_who_may_use_it_and_what_it_gives() -> None:
    page = api.page(DOCUMENT)
    assert "## Labels\n\n### GET /labels/{id}\n\nA label.\n\nNeeds the scope `read`." in page
    assert "Answers `200` [Label](#label)." in page
    assert "### GET /livez\n\nAlive\n\nPublic.\n\nAnswers `204` It is." in page
    assert (
        "### Label\n\n| field | type | default | |\n|---|---|---|---|\n| `name` | string | required | a\\|b |" in page
    )


def test_commands_have_their_options() -> None:
    program = typer.Typer()

    @program.command()
    def draw(n: int = typer.Option(3, help="How many.")) -> None:
        """Draw stays."""

    page = command_line.page(program)
    assert page.startswith("# Command line\n")
    assert "Draw stays." in page
    assert "`--n" in page
    assert "How many." in page


def test_settings_are_variables() -> None:
    class Small(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="CDMT_")
        port: int = Field(8000, ge=0, description="to listen on")

    assert settings.page(Small).splitlines()[-1] == "| `CDMT_PORT` | integer, at least 0 | `8000` | to listen on |"


def test_a_schema_comes_with_what_it_is_made_of() -> None:
    class Part(BaseModel):
        """A part."""

        size: int

    class Whole(BaseModel):
        """The whole."""

        parts: list[Part]

    page = schema.page(Whole)
    assert page.index("## Whole\n\nThe whole.") < page.index("## Part\n\nA part.")
    assert "| `parts` | list of [Part](#part) | required |  |" in page
