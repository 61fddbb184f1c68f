"""The published JSON Schema of a report. Write it anew with: python -m tests.service.api.test_schemas"""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from jsonschema import Draft202012Validator

from service.api.routes.schemas import report_schema

GOLDEN = Path(__file__).parents[3] / "docs" / "report.schema.json"


def document() -> str:
    return json.dumps(report_schema(), indent=1, sort_keys=True) + "\n"


def test_the_report_is_as_promised() -> None:
    assert document() == GOLDEN.read_text(), (
        "the report has changed; if you want that: python -m tests.service.api.test_schemas"
    )


def test_the_schema_is_one_and_is_served(client: httpx.Client) -> None:
    answer = client.get("/schemas/report")
    assert answer.headers["content-type"] == "application/schema+json"
    Draft202012Validator.check_schema(answer.json())
    assert answer.json() == report_schema()


if __name__ == "__main__":
    GOLDEN.write_text(document())
