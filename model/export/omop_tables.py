"""The tables of OMOP CDM 5.4 that are written: fields, types and what must not be missing, as in its DDL.

github.com/OHDSI/CommonDataModel, inst/csv/OMOP_CDMv5.4_Field_Level.csv (Apache License 2.0), which the tests hold
against this. Fields that are not named here stay out of no table: all are written, those without content empty.
"""

from __future__ import annotations

import pyarrow as pa

_TYPES = {
    "i": pa.int32(),
    "d": pa.date32(),
    "t": pa.timestamp("s"),
    "n": pa.float64(),
    "s": pa.string(),
}
# A field and its type; "!" after it: NOT NULL.
_FIELDS = {
    "person": "person_id i! gender_concept_id i! year_of_birth i! month_of_birth i day_of_birth i birth_datetime t "
    "race_concept_id i! ethnicity_concept_id i! location_id i provider_id i care_site_id i person_source_value s "
    "gender_source_value s gender_source_concept_id i race_source_value s race_source_concept_id i "
    "ethnicity_source_value s ethnicity_source_concept_id i",
    "observation_period": "observation_period_id i! person_id i! observation_period_start_date d! "
    "observation_period_end_date d! period_type_concept_id i!",
    "visit_occurrence": "visit_occurrence_id i! person_id i! visit_concept_id i! visit_start_date d! "
    "visit_start_datetime t visit_end_date d! visit_end_datetime t visit_type_concept_id i! provider_id i "
    "care_site_id i visit_source_value s visit_source_concept_id i admitted_from_concept_id i "
    "admitted_from_source_value s discharged_to_concept_id i discharged_to_source_value s "
    "preceding_visit_occurrence_id i",
    "measurement": "measurement_id i! person_id i! measurement_concept_id i! measurement_date d! "
    "measurement_datetime t measurement_time s measurement_type_concept_id i! operator_concept_id i value_as_number n "
    "value_as_concept_id i unit_concept_id i range_low n range_high n provider_id i visit_occurrence_id i "
    "visit_detail_id i measurement_source_value s measurement_source_concept_id i unit_source_value s "
    "unit_source_concept_id i value_source_value s measurement_event_id i meas_event_field_concept_id i",
    "observation": "observation_id i! person_id i! observation_concept_id i! observation_date d! "
    "observation_datetime t observation_type_concept_id i! value_as_number n value_as_string s value_as_concept_id i "
    "qualifier_concept_id i unit_concept_id i provider_id i visit_occurrence_id i visit_detail_id i "
    "observation_source_value s observation_source_concept_id i unit_source_value s qualifier_source_value s "
    "value_source_value s observation_event_id i obs_event_field_concept_id i",
    "death": "person_id i! death_date d! death_datetime t death_type_concept_id i cause_concept_id i "
    "cause_source_value s cause_source_concept_id i",
    "cdm_source": "cdm_source_name s! cdm_source_abbreviation s! cdm_holder s! source_description s "
    "source_documentation_reference s cdm_etl_reference s source_release_date d! cdm_release_date d! cdm_version s "
    "cdm_version_concept_id i! vocabulary_version s!",
}


def _table(fields: str) -> pa.Schema:
    words = fields.split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return pa.schema([pa.field(name, _TYPES[kind[0]], nullable=not kind.endswith("!")) for name, kind in pairs])


TABLES: dict[str, pa.Schema] = {name: _table(fields) for name, fields in _FIELDS.items()}
