"""`cdmt export`: a cohort's file in the forms of other tools, as the gateway's downloads have them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer
from pyarrow.lib import ArrowInvalid
from pydantic import ValidationError

from model.export.cohort import Cohort
from model.export.formats import Target, check_export, export_parts
from model.spec.errors import ExportError, SchemaError
from model.spec.files import PLAIN
from model.spec.schema import Schema
from service.cli.show import out as stdout


def export(
    cohort: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Parquet file of a synthetic cohort.")],
    *,
    to: Annotated[
        Target,
        typer.Option(
            help="wide-...: one row per stay. omop: tables of the OMOP CDM 5.4 as CSV (omop-parquet: as Parquet), "
            "fhir: FHIR R4 resources, both in a zip."
        ),
    ],
    out: Annotated[Path, typer.Option(dir_okay=False, help="File to write.")],
    schema: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSON of the schema, for a cohort that was written without."),
    ] = None,
) -> None:
    """Write a cohort in the form of another tool. docs/exports.md says what becomes of each column."""
    known = None if schema is None else _schema(schema)
    try:
        opened = pq.ParquetFile(cohort)
    except ArrowInvalid:
        raise ExportError(f"{cohort} is no Parquet file") from None
    with opened:
        content = Cohort(opened, schema=known)
        check_export(content, to)
        _write(out, content, to)
    stdout.print(str(out), markup=False)


def _write(out: Path, cohort: Cohort, target: Target) -> None:
    """Write beside it and rename: nobody finds half a file under its name."""
    beside = out.with_name(f".{out.name}.partial")
    beside.unlink(missing_ok=True)
    try:
        with PLAIN.create(beside) as file:
            for part in export_parts(cohort, target):
                file.write(part)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


def _schema(path: Path) -> Schema:
    try:
        return Schema.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SchemaError(f"{path} is no schema: {error.errors()[0]['msg']}") from None
