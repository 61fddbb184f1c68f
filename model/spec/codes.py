"""What the columns of a table are called in the vocabularies of health data, for exports to other tools."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from model.spec.base import Spec

MAX_CONCEPT = 2**31 - 1
Concept = Annotated[int, Field(ge=0, le=MAX_CONCEPT)]


class Codes(Spec):
    """The codes of a feature. What is left out is what its name and unit suggest, if they are known (docs/exports.md).

    `omop_concept_id` and `omop_unit_concept_id` are standard concepts of the OHDSI vocabularies, 0 says that there is
    none; `loinc` and `ucum` code the feature and its unit in FHIR.
    """

    omop_concept_id: Concept | None = None
    omop_unit_concept_id: Concept | None = None
    loinc: str | None = Field(None, pattern=r"^\d{1,7}-\d$")
    ucum: str | None = Field(None, min_length=1, max_length=64, pattern=r"^[!-~]+$")


class LabelCodes(Spec):
    """The codes of a label. `death`: its category that says that the patient died at the end of the stay."""

    omop_concept_id: Concept | None = None
    death: str | None = None
