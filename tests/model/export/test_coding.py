from __future__ import annotations

import pytest

from model.export.coding import age_of, death_of, feature_codes, label_concept, sex_concept, sex_of
from model.spec.codes import Codes, LabelCodes
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

HEART_RATE = NumericalFeature(name="heart_rate")


@pytest.mark.parametrize(
    ("name", "unit", "concept", "unit_concept", "loinc", "ucum"),
    [
        ("HR", "bpm", 3027018, 8541, "8867-4", "/min"),
        ("resp_rate", "insp/min", 3024171, 8541, "9279-1", "/min"),
        ("SpO2", "%", 40762499, 8554, "59408-5", "%"),
        ("sysbp", "mm Hg", 3004249, 8876, "8480-6", "mm[Hg]"),
        ("dbp", "mmHg", 3012888, 8876, "8462-4", "mm[Hg]"),
        ("map", "mmHg", 3027598, 8876, "8478-0", "mm[Hg]"),
        ("temp_f", "degF", 3020891, 9289, "8310-5", "[degF]"),
        ("temperature", "°C", 3020891, 586323, "8310-5", "Cel"),
        ("heart_rate", None, 3027018, 0, "8867-4", None),
        ("spo2", "fraction", 0, 0, None, None),  # would be read as per cent
        ("map", "kPa", 0, 0, None, None),
        ("lactate", "mmol/L", 0, 8753, None, "mmol/L"),
        ("frobnication", "widgets", 0, 0, None, None),
    ],
)
def test_names_and_units_suggest_codes(
    name: str, unit: str | None, concept: int, unit_concept: int, loinc: str | None, ucum: str | None
) -> None:
    assert feature_codes(NumericalFeature(name=name, unit=unit)) == Codes(
        omop_concept_id=concept, omop_unit_concept_id=unit_concept, loinc=loinc, ucum=ucum
    )


def test_the_schema_goes_first() -> None:
    own = NumericalFeature(name="hr", unit="/min", codes=Codes(omop_concept_id=0, loinc="8889-8"))
    assert feature_codes(own) == Codes(omop_concept_id=0, omop_unit_concept_id=8541, loinc="8889-8", ucum="/min")
    flag = CategoricalFeature(name="ventilated", categories=("0", "1"), codes=Codes(omop_concept_id=45768192))
    assert feature_codes(flag).omop_concept_id == 45768192


@pytest.mark.parametrize(
    ("label", "death"),
    [
        (Label(name="in_hospital_death", categories=("0", "1")), "1"),
        (Label(name="icu_mortality", categories=("survived", "died")), "died"),
        (Label(name="hospital_expire_flag", categories=("False", "True")), "True"),
        (Label(name="mortality_28d", categories=("0", "1")), None),
        (Label(name="mortality_28d", categories=("0", "1"), codes=LabelCodes(death="1")), "1"),
        (Label(name="death", categories=("0", "1"), codes=LabelCodes()), None),
        (Label(name="death_score", categories=("low", "high")), None),
        (Label(name="sepsis", categories=("0", "1")), None),
    ],
)
def test_which_label_is_death(label: Label, death: str | None) -> None:
    found = death_of(with_columns(labels=(label,)))
    assert (found and found[1]) == death


def test_a_death_that_is_no_category_is_refused() -> None:
    with pytest.raises(ValueError, match=r"label 'outcome': codes.death '2' is none of its categories"):
        Label(name="outcome", categories=("0", "1"), codes=LabelCodes(death="2"))


def test_sex_and_age() -> None:
    sex = CategoricalFeature(name="gender", categories=("Male", "F", "?"), static=True)
    age = NumericalFeature(name="admission_age", static=True)
    assert sex_of(with_columns(features=(HEART_RATE, sex))) == sex
    assert sex_of(with_columns(features=(HEART_RATE, sex.model_copy(update={"static": False})))) is None
    assert [sex_concept(category) for category in sex.categories] == [8507, 8532, 0]
    assert age_of(with_columns(features=(HEART_RATE, age))) == age
    assert age_of(with_columns(features=(HEART_RATE, age.model_copy(update={"unit": "months"})))) is None


def test_a_label_has_a_concept_of_its_own_or_none() -> None:
    label = Label(name="ward", categories=("a", "b"))
    assert label_concept(label) == 0
    assert label_concept(label.model_copy(update={"codes": LabelCodes(omop_concept_id=12)})) == 12


def test_a_schema_from_before_there_were_codes_is_read_as_it_was() -> None:
    schema = with_columns(labels=(Label(name="ward", categories=("a", "b")),))
    old = schema.model_dump(mode="json")
    for column in (*old["features"], *old["labels"]):
        del column["codes"]
    assert Schema.model_validate(old) == schema


def with_columns(
    *, features: tuple[NumericalFeature | CategoricalFeature, ...] = (HEART_RATE,), labels: tuple[Label, ...] = ()
) -> Schema:
    return Schema(stay_id="stay", time="hour", sequence_length=2, features=features, labels=labels)
