import pytest
from pydantic import TypeAdapter, ValidationError

from model.spec.errors import RatioError
from model.spec.ratios import LabelRatios, Stratum, check_ratios, fixed_marginals
from model.spec.schema import Label, NumericalFeature, Schema

DEATH = Label(name="death", categories=("0", "1"))
UNIT = Label(name="unit", categories=("MICU", "SICU", "CCU"))


def schema(*labels: Label) -> Schema:
    return Schema(stay_id="id", time="hour", sequence_length=2, features=(NumericalFeature(name="hr"),), labels=labels)


def parse(value: object) -> LabelRatios:
    ratios: LabelRatios = TypeAdapter(LabelRatios).validate_python(value)
    return ratios


def test_balanced_is_equal_for_every_category() -> None:
    assert fixed_marginals(parse("balanced"), schema(DEATH)) == {"death": {"0": 0.5, "1": 0.5}}  # type: ignore[arg-type]
    assert fixed_marginals(parse({"unit": "balanced"}), schema(DEATH, UNIT))["unit"]["CCU"] == pytest.approx(1 / 3)  # type: ignore[arg-type]


def test_a_category_that_is_not_named_has_ratio_zero() -> None:
    marginals = fixed_marginals({"unit": {"CCU": 1.0}}, schema(UNIT))
    assert marginals == {"unit": {"MICU": 0.0, "SICU": 0.0, "CCU": 1.0}}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"dead": {"0": 1.0}}, "unknown label 'dead'"),
        ({"death": {"2": 1.0}}, "unknown category '2'"),
        ({"death": {"0": 0.5, "1": 0.4}}, "sum to 0.9"),
        ("balanced", "exactly one label"),
        ([{"labels": {"death": "1"}, "ratio": 0.5}], "sum to 0.5"),
        ([{"labels": {"death": "1"}, "ratio": 0.5}] * 2, "repeats"),
        ([{"labels": {"death": "1"}, "ratio": 0.5}, {"labels": {"unit": "CCU"}, "ratio": 0.5}], "other labels"),
        ([{"labels": {"death": "9"}, "ratio": 1.0}], "unknown category '9'"),
    ],
)
def test_what_a_schema_cannot_satisfy_is_named(value: object, says: str) -> None:
    with pytest.raises(RatioError, match=says):
        check_ratios(parse(value), schema(DEATH, UNIT))


@pytest.mark.parametrize(
    "value", [{"death": {"0": -0.1, "1": 1.1}}, {"death": {"0": float("nan")}}, "equal", [], {}, 3]
)
def test_what_is_no_ratio_does_not_parse(value: object) -> None:
    with pytest.raises(ValidationError):
        parse(value)


def test_strata_of_too_many_labels_are_refused() -> None:
    """All combinations of their categories are counted: five such labels would take 8 GiB, nine no memory has."""
    labels = [Label(name=f"label {k}", categories=tuple(map(str, range(64)))) for k in range(9)]
    strata = (Stratum(labels={label.name: "0" for label in labels}, ratio=1.0),)
    with pytest.raises(RatioError, match="combinations"):
        check_ratios(strata, schema(*labels))


def test_sums_are_held_to_one_in_a_million() -> None:
    check_ratios({"unit": {"MICU": 0.3333333, "SICU": 0.3333333, "CCU": 0.3333334}}, schema(UNIT))
    check_ratios((Stratum(labels={"death": "1", "unit": "CCU"}, ratio=1.0),), schema(DEATH, UNIT))
