"""A cohort as tables of OMOP CDM 5.4. Each stay is a person with one visit; only what counts as measured is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from model.data.times import SYNTHETIC_START
from model.export.coding import age_of, death_of, feature_codes, label_concept, sex_concept, sex_of
from model.export.cohort import Chunk, Cohort, Integers, feature_texts, feature_values, observed, texts
from model.export.omop_tables import TABLES
from model.export.writing import Entry, TableForm, table_parts
from model.spec.errors import ExportError
from model.spec.schema import CategoricalFeature, Feature, Label, NumericalFeature

STANDARD_ALGORITHM_FROM_EHR = 32882  # the type of every record: computed from health records, not recorded
INTENSIVE_CARE = 32037
CDM_5_4 = 756265
MADE_UP_YEAR_OF_BIRTH = 1950  # NOT NULL; where the cohort has no age
YEAR_OF_ADMISSION = 2000
SOURCE_VALUE, STRING_VALUE = 50, 60  # the longest that the CDM takes
MAX_ID = 2**31 - 1
DAY = 86_400

Column: TypeAlias = pa.Array | npt.NDArray[np.generic] | int | str | None


def omop_files(cohort: Cohort, form: TableForm) -> Iterator[Entry]:
    """Name and content of each file. ExportError for a cohort that cannot say what was measured, or is too large."""
    check_omop(cohort)
    makers: dict[str, Callable[[Cohort], Iterator[pa.Table]]] = {
        "cdm_source": _cdm_source,
        "person": _persons,
        "observation_period": _periods,
        "visit_occurrence": _visits,
        "death": _deaths,
        "observation": _observations,
        "measurement": _measurements,
    }
    for name, make in makers.items():
        metadata = {"cdmt.synthetic": "true"}
        yield f"{name}.{form}", table_parts(make(cohort), TABLES[name].with_metadata(metadata), form)


def check_omop(cohort: Cohort) -> None:
    """Raise ExportError for a cohort whose gaps were filled, or that has more values than a CDM has integers."""
    if cohort.is_imputed:
        raise ExportError(
            "the cohort was drawn with missing=imputed, which does not tell measured values from filled ones; "
            "draw it with missing=as_observed"
        )
    if cohort.n_rows * (len(cohort.schema.features) + len(cohort.schema.labels)) > MAX_ID:
        raise ExportError("the cohort has more values than a CDM can number in 32 bits; draw it in parts")


def _table(name: str, length: int, columns: Mapping[str, Column]) -> pa.Table:
    """All fields of a table: arrays, the same value everywhere, or nothing."""
    schema = TABLES[name]
    return pa.Table.from_arrays([_array(columns.get(f.name), f.type, length) for f in schema], schema=schema)


def _array(column: Column, dtype: pa.DataType, length: int) -> pa.Array:
    if column is None:
        return pa.nulls(length, dtype)
    if isinstance(column, int | str):
        return pa.repeat(pa.scalar(column, dtype), length)
    array = column if isinstance(column, pa.Array) else pa.array(column)
    return array.cast(dtype)


def _dates(seconds: Integers) -> npt.NDArray[np.datetime64]:
    return (seconds // DAY).astype("datetime64[D]")


def _times(seconds: Integers) -> npt.NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]")


def _short(text: str, most: int = SOURCE_VALUE) -> str:
    return text[:most]


def _cdm_source(cohort: Cohort) -> Iterator[pa.Table]:
    told = ", ".join(
        f"{name} {cohort.metadata[f'cdmt.{name}']}"
        for name in ("model_id", "model_sha256", "seed", "software_version")
        if f"cdmt.{name}" in cohort.metadata
    )
    admission = np.array([SYNTHETIC_START])
    columns: dict[str, Column] = {
        "cdm_source_name": "Synthetic stays in intensive care, of no patient",
        "cdm_source_abbreviation": "SYNTHETIC",
        "cdm_holder": "cdmt-ehr",
        "source_description": f"SYNTHETIC DATA, drawn from a generative model ({told}). Dates are made up: every stay "
        f"begins on 2000-01-01. So is the year of birth {MADE_UP_YEAR_OF_BIRTH} where the cohort has no age.",
        "cdm_etl_reference": "cdmt-ehr, docs/exports.md",
        "source_release_date": _dates(admission),
        "cdm_release_date": _dates(admission),
        "cdm_version": "5.4",
        "cdm_version_concept_id": CDM_5_4,
        "vocabulary_version": "none",
    }
    yield _table("cdm_source", 1, columns)


def _persons(cohort: Cohort) -> Iterator[pa.Table]:
    sex, age = sex_of(cohort.schema), age_of(cohort.schema)
    for chunk in cohort.chunks([column.name for column in (sex, age) if column is not None]):
        sexes = None if sex is None else _texts_at(chunk, sex, chunk.starts)
        stay_ids = chunk.rows.column(cohort.schema.stay_id).take(pa.array(chunk.starts)).combine_chunks()
        columns: dict[str, Column] = {
            "person_id": chunk.stays + 1,
            "gender_concept_id": 0 if sexes is None or sex is None else _sex_concepts(sexes, sex),
            "year_of_birth": MADE_UP_YEAR_OF_BIRTH if age is None else _years(chunk, age),
            "race_concept_id": 0,
            "ethnicity_concept_id": 0,
            "person_source_value": stay_ids.cast(pa.string()),
            "gender_source_value": sexes,
        }
        yield _table("person", len(chunk.starts), columns)


def _sex_concepts(sexes: pa.Array, sex: CategoricalFeature | Label) -> pa.Array:
    concepts = pa.array([sex_concept(category) for category in sex.categories], pa.int32())
    return pc.fill_null(concepts.take(pc.index_in(sexes, value_set=_short_texts(sex.categories))), 0)


def _years(chunk: Chunk, age: NumericalFeature) -> npt.NDArray[np.int64]:
    years = feature_values(chunk, age).take(pa.array(chunk.starts)).to_numpy(zero_copy_only=False)
    born = np.where(np.isnan(years), MADE_UP_YEAR_OF_BIRTH, YEAR_OF_ADMISSION - np.floor(years))
    result: npt.NDArray[np.int64] = born.astype(np.int64)
    return result


def _periods(cohort: Cohort) -> Iterator[pa.Table]:
    for chunk, start, end in _visit_times(cohort, []):
        columns: dict[str, Column] = {
            "observation_period_id": chunk.stays + 1,
            "person_id": chunk.stays + 1,
            "observation_period_start_date": _dates(start),
            "observation_period_end_date": _dates(end),
            "period_type_concept_id": STANDARD_ALGORITHM_FROM_EHR,
        }
        yield _table("observation_period", len(start), columns)


def _visits(cohort: Cohort) -> Iterator[pa.Table]:
    for chunk, start, end in _visit_times(cohort, []):
        columns: dict[str, Column] = {
            "visit_occurrence_id": chunk.stays + 1,
            "person_id": chunk.stays + 1,
            "visit_concept_id": INTENSIVE_CARE,
            "visit_start_date": _dates(start),
            "visit_start_datetime": _times(start),
            "visit_end_date": _dates(end),
            "visit_end_datetime": _times(end),
            "visit_type_concept_id": STANDARD_ALGORITHM_FROM_EHR,
        }
        yield _table("visit_occurrence", len(start), columns)


def _deaths(cohort: Cohort) -> Iterator[pa.Table]:
    found = death_of(cohort.schema)
    if found is None:
        return
    label, category = found
    for chunk, _, end in _visit_times(cohort, [label.name]):
        died = pc.equal(feature_texts(chunk, label).take(pa.array(chunk.starts)), category)
        who = np.flatnonzero(died.to_numpy(zero_copy_only=False))
        columns: dict[str, Column] = {
            "person_id": chunk.stays[who] + 1,
            "death_date": _dates(end[who]),
            "death_datetime": _times(end[who]),
            "death_type_concept_id": STANDARD_ALGORITHM_FROM_EHR,
        }
        yield _table("death", len(who), columns)


def _visit_times(cohort: Cohort, columns: list[str]) -> Iterator[tuple[Chunk, Integers, Integers]]:
    """Chunks with when each stay begins, and when its last step ends."""
    step = cohort.step_seconds()
    for chunk in cohort.chunks([cohort.schema.time, *columns]):
        seconds = cohort.seconds(chunk)
        yield chunk, seconds[chunk.starts], seconds[chunk.ends] + step


def _observations(cohort: Cohort) -> Iterator[pa.Table]:
    """Categorical features, and labels but for death and sex, at the time of their row; once, if they are static."""
    schema, written = cohort.schema, 0
    found, sex = death_of(schema), sex_of(schema)
    elsewhere = {found[0].name} if found else set()
    elsewhere |= {sex.name} if sex else set()
    every: tuple[CategoricalFeature | Label, ...] = (*schema.categorical, *schema.labels)
    columns = [column for column in every if column.name not in elsewhere]
    for chunk in cohort.chunks([schema.time, *(column.name for column in columns)]):
        seconds = cohort.seconds(chunk)
        for column in columns:
            once = isinstance(column, Label) or column.static
            rows = observed(feature_texts(chunk, column), chunk, once=once)
            concept = label_concept(column) if isinstance(column, Label) else _concept(column)
            content: dict[str, Column] = {
                **_event("observation", chunk.stay[rows], seconds[rows], first=written + 1, concept=concept),
                "value_as_string": _texts_at(chunk, column, rows, STRING_VALUE),
                "observation_source_value": _short(column.name),
                "value_source_value": _texts_at(chunk, column, rows),
            }
            written += len(rows)
            yield _table("observation", len(rows), content)


def _measurements(cohort: Cohort) -> Iterator[pa.Table]:
    """Numerical features where they have a value, at the time of its row; once, if they are static."""
    features, written = cohort.schema.numerical, 0
    for chunk in cohort.chunks([cohort.schema.time, *(feature.name for feature in features)]):
        seconds = cohort.seconds(chunk)
        for feature in features:
            numbers = feature_values(chunk, feature)
            rows = observed(numbers, chunk, once=feature.static)
            content: dict[str, Column] = {
                **_event("measurement", chunk.stay[rows], seconds[rows], first=written + 1, concept=_concept(feature)),
                "value_as_number": numbers.take(pa.array(rows)),
                "unit_concept_id": feature_codes(feature).omop_unit_concept_id,
                "measurement_source_value": _short(feature.name),
                "unit_source_value": None if feature.unit is None else _short(feature.unit),
            }
            written += len(rows)
            yield _table("measurement", len(rows), content)


def _event(table: str, stay: Integers, seconds: Integers, *, first: int, concept: int) -> dict[str, Column]:
    """What measurements and observations have in common."""
    return {
        f"{table}_id": np.arange(first, first + len(stay)),
        "person_id": stay + 1,
        f"{table}_concept_id": concept,
        f"{table}_date": _dates(seconds),
        f"{table}_datetime": _times(seconds),
        f"{table}_type_concept_id": STANDARD_ALGORITHM_FROM_EHR,
        "visit_occurrence_id": stay + 1,
        f"{table}_source_concept_id": 0,
    }


def _concept(feature: Feature) -> int:
    return feature_codes(feature).omop_concept_id or 0


def _texts_at(chunk: Chunk, column: CategoricalFeature | Label, rows: Integers, most: int = SOURCE_VALUE) -> pa.Array:
    values = chunk.rows.column(column.name).take(pa.array(rows))
    return pc.utf8_slice_codeunits(texts(values, column.categories), 0, most)


def _short_texts(categories: tuple[str, ...]) -> pa.Array:
    return pa.array([_short(category) for category in categories], pa.string())
