"""The JSON Schemas of what this service hands out, for those who check it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from model.spec.report import REPORT_VERSION, Report

MEDIA_TYPE = "application/schema+json"

router = APIRouter(prefix="/schemas", tags=["service"])


class SchemaResponse(JSONResponse):
    """JSON that is a schema."""

    media_type = MEDIA_TYPE


def report_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a report as JSON."""
    name = f"urn:cdmt:schema:report:{REPORT_VERSION}"
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name}
    return {**head, **Report.model_json_schema(mode="serialization")}


@router.get("/report", response_class=SchemaResponse)
def get_report_schema() -> SchemaResponse:
    """The JSON Schema of every report of this service; docs/report.schema.json is the same."""
    return SchemaResponse(report_schema())
