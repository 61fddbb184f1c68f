"""Cohorts in the forms of other tools: one row per stay, OMOP CDM 5.4, FHIR R4. Needs no torch; knows no service."""
