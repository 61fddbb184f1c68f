"""The forms in which a cohort leaves beside that in which it is kept, each as a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from model.export.cohort import Cohort
from model.export.fhir import fhir_files
from model.export.omop import check_omop, omop_files
from model.export.wide import wide_schema, wide_tables
from model.export.writing import Entry, table_parts, zip_parts

Target = Literal["wide-csv", "wide-parquet", "omop", "omop-parquet", "fhir"]

README = """SYNTHETIC DATA, drawn from a generative model: these stays are of no patient.

Dates are made up: every stay begins on 2000-01-01, and each is a person of its own. Only values that count as measured
are in these files. docs/exports.md of cdmt-ehr says how columns became codes.
"""


def check_export(cohort: Cohort, target: Target) -> None:
    """Raise ExportError for a cohort that cannot be written like that, before anything of it is."""
    if target.startswith("wide"):
        wide_schema(cohort)
    else:
        check_omop(cohort)


def export_parts(cohort: Cohort, target: Target) -> Iterator[bytes]:
    """The cohort as the bytes of one file: a wide table, or a zip of OMOP's tables or FHIR's resources."""
    if target == "wide-csv" or target == "wide-parquet":
        return table_parts(wide_tables(cohort), wide_schema(cohort), "csv" if target == "wide-csv" else "parquet")
    return zip_parts(_entries(cohort, target))


def _entries(cohort: Cohort, target: Target) -> Iterator[Entry]:
    yield "README.txt", [README.encode()]
    if target == "fhir":
        yield from fhir_files(cohort)
    else:
        yield from omop_files(cohort, "csv" if target == "omop" else "parquet")
