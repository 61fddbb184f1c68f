"""Cohorts in the forms of other tools, made while they are sent: wide tables, OMOP CDM, FHIR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal

import pyarrow.parquet as pq
from starlette.requests import Request
from starlette.responses import Response

from model.export.cohort import Cohort, schema_in
from model.export.formats import Target, check_export, export_parts
from model.spec.schema import Schema
from service.api.downloads import CSV, PARQUET, ZIP, held_open, made_download
from service.api.fields import BadFields, FieldError

Format = Literal["parquet", "csv", "omop", "fhir"]
Layout = Literal["long", "wide"]
Tables = Literal["csv", "parquet"]
CohortForm = Literal["parquet", "csv"] | Target

ENDINGS: dict[Target, tuple[str, str]] = {
    "wide-csv": ("-wide.csv", CSV),
    "wide-parquet": ("-wide.parquet", PARQUET),
    "omop": ("-omop.zip", ZIP),
    "omop-parquet": ("-omop.zip", ZIP),
    "fhir": ("-fhir.zip", ZIP),
}


def wanted_form(form: Format, layout: Layout | None, tables: Tables | None) -> CohortForm:
    """What the parameters of a download ask for together; BadFields where they contradict each other."""
    if layout is not None and form in ("omop", "fhir"):
        raise BadFields([FieldError(pointer="?layout", message=f"format={form} has no layout")])
    if tables is not None and form != "omop":
        raise BadFields([FieldError(pointer="?tables", message="only format=omop has tables")])
    match form:
        case "csv":
            return "wide-csv" if layout == "wide" else "csv"
        case "parquet":
            return "wide-parquet" if layout == "wide" else "parquet"
        case "omop":
            return "omop-parquet" if tables == "parquet" else "omop"
        case "fhir":
            return "fhir"


def check_exportable(path: Path, form: CohortForm, *, known: Callable[[], Schema]) -> Schema | None:
    """Raise ExportError for a cohort that cannot be written in a form; its schema, `known` where the file has none.

    None for the forms that need no schema. HTTPException 404 where the cohort has just been deleted.
    """
    if form == "parquet" or form == "csv":
        return None
    with held_open(path) as opened, pq.ParquetFile(opened) as file:
        schema = schema_in(file) or known()
        check_export(Cohort(file, schema=schema), form)
    return schema


def export_download(
    request: Request, path: Path, target: Target, *, sha256: str, name: str, schema: Schema
) -> Response:
    """A cohort in another form, made chunk by chunk while it is sent; `name` is that of the file without its ending.

    HTTPException 404 where it has just been deleted.
    """
    ending, media_type = ENDINGS[target]
    return made_download(
        request,
        lambda: _parts(held_open(path), target, schema),
        etag=f'"{sha256}-{target}"',
        media_type=media_type,
        filename=f"{name}{ending}",
    )


def _parts(opened: IO[bytes], target: Target, schema: Schema) -> Iterator[bytes]:
    with opened, pq.ParquetFile(opened) as file:
        yield from export_parts(Cohort(file, schema=schema), target)
