"""A cohort as FHIR R4 resources, one JSON document a line (bulk data): Patient, Encounter, Observation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.export.coding import FEMALE, MALE, age_of, death_of, feature_codes, is_vital, sex_concept, sex_of
from model.export.cohort import Chunk, Cohort, Integers, feature_texts, feature_values, observed
from model.export.omop import YEAR_OF_ADMISSION, check_omop
from model.export.writing import Entry
from model.spec.schema import Feature, Label, NumericalFeature

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
META = {
    "security": [{"system": f"{TERMINOLOGY}/v3-ActReason", "code": "HTEST", "display": "test health data"}],
    "tag": [{"code": "synthetic", "display": "synthetic data, of no patient"}],
}
_SEXES = {MALE: '"male"', FEMALE: '"female"'}

Piece: TypeAlias = str | pa.Array


def fhir_files(cohort: Cohort) -> Iterator[Entry]:
    """Name and content of each file. ExportError for a cohort that cannot say what was measured."""
    check_omop(cohort)
    yield "Patient.ndjson", _patients(cohort)
    yield "Encounter.ndjson", _encounters(cohort)
    yield "Observation.ndjson", _observations(cohort)


def _lines(*pieces: Piece) -> bytes:
    """Texts, the same in each line or one for each, put together; as many lines as the arrays are long."""
    joined = pc.binary_join_element_wise(*(p if isinstance(p, pa.Array) else pa.scalar(p) for p in (*pieces, "\n")), "")
    if not len(joined):
        return b""
    _, offsets, content = joined.buffers()  # the lines follow each other in there, and none is null
    return bytes(memoryview(content)[: np.frombuffer(offsets, np.int32)[len(joined)]])


def _opening(resource: str) -> str:
    return f'{{"resourceType":"{resource}","meta":{_json(META)},"id":"'


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _instants(seconds: Integers) -> pa.Array:
    return pc.strftime(pa.array(seconds.astype("datetime64[s]")), "%Y-%m-%dT%H:%M:%SZ")


def _names(numbers: Integers) -> pa.Array:
    return pc.binary_join_element_wise("stay-", pa.array(numbers).cast(pa.string()), "")


def _patients(cohort: Cohort) -> Iterator[bytes]:
    schema, step = cohort.schema, cohort.step_seconds()
    sex, age, found = sex_of(schema), age_of(schema), death_of(schema)
    wanted = [column.name for column in (sex, age, found and found[0]) if column is not None]
    for chunk in cohort.chunks([schema.time, *wanted]):
        first, end = pa.array(chunk.starts), _instants(cohort.seconds(chunk)[chunk.ends] + step)
        pieces: list[Piece] = [_opening("Patient"), _names(chunk.stays), '"']
        if sex is not None:
            words = pa.array([_SEXES.get(sex_concept(category), '"unknown"') for category in sex.categories])
            codes = pc.index_in(feature_texts(chunk, sex).take(first), value_set=pa.array(sex.categories, pa.string()))
            pieces += [',"gender":', pc.fill_null(words.take(codes), '"unknown"')]
        if age is not None:
            years = pc.subtract(float(YEAR_OF_ADMISSION), pc.floor(feature_values(chunk, age).take(first)))
            pieces += [_optional(',"birthDate":"', years.cast(pa.int32()).cast(pa.string()), '"')]
        if found is not None:
            died = pc.equal(feature_texts(chunk, found[0]).take(first), found[1])
            pieces += [_optional(',"deceasedDateTime":"', pc.if_else(died, end, pa.scalar(None, pa.string())), '"')]
        yield _lines(*pieces, "}")


def _optional(before: str, column: pa.Array, after: str) -> pa.Array:
    """A field of a document; nothing where it has no value."""
    return pc.fill_null(pc.binary_join_element_wise(before, column, after, ""), "")


def _encounters(cohort: Cohort) -> Iterator[bytes]:
    step = cohort.step_seconds()
    kind = {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "IMP", "display": "inpatient encounter"}
    for chunk in cohort.chunks([cohort.schema.time]):
        seconds, names = cohort.seconds(chunk), _names(chunk.stays)
        start, end = _instants(seconds[chunk.starts]), _instants(seconds[chunk.ends] + step)
        opening = f'","status":"finished","class":{_json(kind)},"subject":{{"reference":"Patient/'
        period = ['"},"period":{"start":"', start, '","end":"', end, '"}}']
        yield _lines(_opening("Encounter"), names, opening, names, *period)


def _observations(cohort: Cohort) -> Iterator[bytes]:
    schema, written = cohort.schema, 0
    found, sex = death_of(schema), sex_of(schema)
    elsewhere = {column.name for column in (found and found[0], sex) if column is not None}
    columns = [column for column in (*schema.features, *schema.labels) if column.name not in elsewhere]
    for chunk in cohort.chunks([schema.time, *(column.name for column in columns)]):
        seconds = cohort.seconds(chunk)
        for column in columns:
            rows, value = _value(chunk, column)
            if len(rows):
                numbers = pa.array(np.arange(written, written + len(rows))).cast(pa.string())
                written += len(rows)
                names = _names(chunk.stay[rows])
                subject = [f'","status":"final",{_code(column)},"subject":{{"reference":"Patient/', names]
                when = ['"},"encounter":{"reference":"Encounter/', names, '"},"effectiveDateTime":"']
                yield _lines(_opening("Observation"), numbers, *subject, *when, _instants(seconds[rows]), '",', *value)


def _value(chunk: Chunk, column: Feature | Label) -> tuple[Integers, list[Piece]]:
    """The rows in which a column has a value (the first of a stay, if it is constant), and the end of the documents."""
    constant = isinstance(column, Label) or column.static
    if isinstance(column, NumericalFeature):
        numbers = feature_values(chunk, column)
        rows = observed(numbers, chunk, once=constant)
        return rows, [
            '"valueQuantity":{"value":',
            numbers.take(pa.array(rows)).cast(pa.string()),
            f"{_unit(column)}}}}}",
        ]
    categories = feature_texts(chunk, column)
    rows = observed(categories, chunk, once=constant)
    quoted, known = pa.array([_json(c) for c in column.categories]), pa.array(column.categories, pa.string())
    return rows, ['"valueString":', quoted.take(pc.index_in(categories.take(pa.array(rows)), value_set=known)), "}"]


def _unit(feature: NumericalFeature) -> str:
    ucum = feature_codes(feature).ucum
    fields = {"unit": feature.unit or ucum} if feature.unit or ucum else {}
    fields |= {"system": "http://unitsofmeasure.org", "code": ucum} if ucum else {}
    return "".join(f",{_json(name)}:{_json(value)}" for name, value in fields.items())


def _code(column: Feature | Label) -> str:
    """The category, for vital signs, and the code: LOINC's, if there is one, and the column's name."""
    codes = None if isinstance(column, Label) else feature_codes(column)
    coded = {"coding": [{"system": "http://loinc.org", "code": codes.loinc}]} if codes and codes.loinc else {}
    code = f'"code":{_json({**coded, "text": column.name})}'
    if codes is None or not is_vital(codes):
        return code
    vital = {"coding": [{"system": f"{TERMINOLOGY}/observation-category", "code": "vital-signs"}]}
    return f'"category":[{_json(vital)}],{code}'
