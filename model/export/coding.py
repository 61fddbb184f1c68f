"""The codes with which columns leave: those of the schema, and where it gives none those of well-known vitals.

Concepts and units are those to which OHDSI's conversion of MIMIC-IV maps the same signals (github.com/OHDSI/MIMIC,
custom_mapping/: gcpt_meas_chartevents_main_mod.csv, gcpt_meas_unit.csv). docs/exports.md has each with its source.
"""

from __future__ import annotations

from typing import NamedTuple

from model.data.roles import OUTCOMES
from model.data.vitals import find_vital, words
from model.spec.codes import Codes, LabelCodes
from model.spec.schema import CategoricalFeature, Feature, Label, NumericalFeature, Schema

NO_CONCEPT = 0  # "No matching concept"
MALE, FEMALE = 8507, 8532


class _Vital(NamedTuple):
    concept_id: int
    loinc: str
    units: tuple[str, ...]


_PER_MINUTE, _PRESSURE = ("/min",), ("mmHg",)
_VITALS = {
    "heart_rate": _Vital(3027018, "8867-4", _PER_MINUTE),
    "respiratory_rate": _Vital(3024171, "9279-1", _PER_MINUTE),
    "spo2": _Vital(40762499, "59408-5", ("%",)),
    "sbp": _Vital(3004249, "8480-6", _PRESSURE),
    "dbp": _Vital(3012888, "8462-4", _PRESSURE),
    "map": _Vital(3027598, "8478-0", _PRESSURE),
    "temperature": _Vital(3020891, "8310-5", ("degC", "degF")),
}
_UNITS = {"/min": (8541, "/min"), "mmHg": (8876, "mm[Hg]"), "%": (8554, "%"), "degC": (586323, "Cel")}
_UNITS |= {"degF": (9289, "[degF]"), "kg": (9529, "kg"), "cm": (8582, "cm")}
_UNITS |= {"mmol/L": (8753, "mmol/L"), "mg/dL": (8840, "mg/dL")}
_SPELLINGS = {"1/min": "/min", "bpm": "/min", "beats/min": "/min", "breaths/min": "/min", "insp/min": "/min"}
_SPELLINGS |= {
    "mm hg": "mmHg",
    "mm[hg]": "mmHg",
    "mmhg": "mmHg",
    "°c": "degC",
    "c": "degC",
    "cel": "degC",
    "degc": "degC",
}
_SPELLINGS |= {"°f": "degF", "f": "degF", "[degf]": "degF", "degf": "degF", "percent": "%"}

_SEXES = {"f": FEMALE, "female": FEMALE, "woman": FEMALE, "m": MALE, "male": MALE, "man": MALE}
_DEATHS = frozenset({"1", "1.0", "y", "yes", "true", "dead", "died", "deceased", "expired"})
_DEATH_WORDS = frozenset(OUTCOMES) & {"death", "died", "dead", "mort", "mortality", "expired", "expire", "deceased"}


def feature_codes(feature: Feature) -> Codes:
    """The codes of a feature, all of them set but those of FHIR, which are None where there is none."""
    given, known = feature.codes or Codes(), _default(feature)
    return Codes(
        omop_concept_id=_first(given.omop_concept_id, known.omop_concept_id, NO_CONCEPT),
        omop_unit_concept_id=_first(given.omop_unit_concept_id, known.omop_unit_concept_id, NO_CONCEPT),
        loinc=given.loinc or known.loinc,
        ucum=given.ucum or known.ucum,
    )


def _default(feature: Feature) -> Codes:
    """What the name and the unit say; a vital in a unit that it never comes in is none."""
    if not isinstance(feature, NumericalFeature):
        return Codes()
    unit = None if feature.unit is None else _SPELLINGS.get(feature.unit.strip().lower(), feature.unit.strip())
    concept, ucum = _UNITS.get(unit or "", (NO_CONCEPT, None))
    found = find_vital(feature.name)
    vital = _VITALS.get(found.name) if found is not None else None
    if vital is None or (unit is not None and unit not in vital.units):
        return Codes(omop_unit_concept_id=concept, ucum=ucum)
    return Codes(omop_concept_id=vital.concept_id, omop_unit_concept_id=concept, loinc=vital.loinc, ucum=ucum)


def _first(*candidates: int | None) -> int:
    return next(candidate for candidate in candidates if candidate is not None)


def is_vital(codes: Codes) -> bool:
    """Whether a feature is one of the well-known vital signs."""
    return any(codes.loinc == vital.loinc for vital in _VITALS.values())


def death_of(schema: Schema) -> tuple[Label, str] | None:
    """The label that tells who died at the end of the stay, and the category that says so; None without one.

    What the schema says goes first; then the first label that is called death, or the like, and has a category 1, yes,
    true, died, ... A name with a number in it (`mortality_28d`) speaks of another time.
    """
    for label in schema.labels:
        if label.codes is not None and label.codes.death is not None:
            return label, label.codes.death
    for label in schema.labels:
        named = words(label.name)
        dead = [category for category in label.categories if category.lower() in _DEATHS]
        if label.codes is None and _DEATH_WORDS & set(named) and not _has_digit(label.name) and len(dead) == 1:
            return label, dead[0]
    return None


def label_concept(label: Label) -> int:
    """The concept of a label."""
    return _first((label.codes or LabelCodes()).omop_concept_id, NO_CONCEPT)


def sex_of(schema: Schema) -> CategoricalFeature | Label | None:
    """The static feature or label that holds the sex of the patient."""
    candidates: list[CategoricalFeature | Label] = [f for f in schema.categorical if f.static]
    named = (c for c in [*candidates, *schema.labels] if {"sex", "gender"} & set(words(c.name)))
    return next(named, None)


def sex_concept(category: str) -> int:
    """The concept of a category of the sex: male, female, or none."""
    return _SEXES.get(category.strip().lower(), NO_CONCEPT)


def age_of(schema: Schema) -> NumericalFeature | None:
    """The static feature that holds the age in years."""
    named = (f for f in schema.numerical if f.static and "age" in words(f.name))
    return next((f for f in named if (f.unit or "years").lower() in ("years", "year", "a", "y", "yr")), None)


def _has_digit(name: str) -> bool:
    return any(character.isdigit() for character in name)
