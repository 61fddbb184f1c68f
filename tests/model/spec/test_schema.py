import time

import pytest
from pydantic import ValidationError

from model.spec.schema import Label, Schema, parse_rule

HEART_RATE = {"type": "numerical", "name": "heart_rate", "unit": "/min", "min": 0, "max": 300}
VENTILATED = {"type": "categorical", "name": "ventilated", "categories": ["no", "yes"]}
DEATH = {"name": "death", "categories": ["0", "1"]}


def schema(**changes: object) -> Schema:
    given: dict[str, object] = {
        "stay_id": "stay_id",
        "time": "hour",
        "sequence_length": 25,
        "features": [HEART_RATE, VENTILATED],
        "labels": [DEATH],
    }
    return Schema.model_validate(given | changes)


def test_features_are_grouped_by_type() -> None:
    assert [feature.name for feature in schema().numerical] == ["heart_rate"]
    assert [feature.name for feature in schema().categorical] == ["ventilated"]
    assert schema(patient_id="pid").columns == ("stay_id", "hour", "pid", "heart_rate", "ventilated", "death")


def test_names_in_any_script_are_welcome() -> None:
    assert schema(stay_id="séjour", time="час").columns[:2] == ("séjour", "час")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"time": "stay_id"}, "named twice: stay_id"),
        ({"features": []}, "at least 1 item"),
        ({"features": [HEART_RATE | {"min": 300, "max": 0}]}, "not below max"),
        ({"features": [VENTILATED | {"categories": ["a", "a"]}]}, "named twice: a"),
        ({"labels": [{"name": "death", "categories": ["0"]}]}, "at least 2 items"),
        ({"sequence_length": 0}, "greater than or equal to 1"),
        ({"rules": ["heart_rate <= pulse"]}, "no numerical feature 'pulse'"),
        ({"rules": ["heart_rate"]}, "not of the form"),
        ({"stay_id": "a\nb"}, "printable"),
        ({"tim": "hour"}, "Extra inputs"),
    ],
)
def test_contradictions_are_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        schema(**changes)


def test_a_rule_has_two_sides() -> None:
    assert parse_rule("dbp <=map") == ("dbp", "<=", "map")


def test_a_rule_of_blanks_is_soon_refused() -> None:
    """Once, the time grew with the square of their number, to more than an hour for the longest that can be sent."""
    start = time.process_time()
    with pytest.raises(ValueError, match="not of the form"):
        parse_rule(f"dbp{' ' * 100_000}map")
    assert time.process_time() - start < 5


def test_specs_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Label(name="a", categories=("0", "1")).name = "b"  # type: ignore[misc]
