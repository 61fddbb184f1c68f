import pytest

from model.spec.config import GuidanceScale
from model.spec.errors import GuidanceError
from model.spec.guidance import check_guidance
from model.spec.schema import Label, NumericalFeature, Schema

SCHEMA = Schema(
    stay_id="id",
    time="hour",
    sequence_length=2,
    features=(NumericalFeature(name="hr"),),
    labels=(Label(name="death", categories=("0", "1")),),
)


@pytest.mark.parametrize("labels", [{}, {"death": 2.0}, {"death": {"1": 0.0}}])
def test_labels_and_categories_of_the_schema_pass(labels: dict[str, float | dict[str, float]]) -> None:
    check_guidance(GuidanceScale(labels=labels), SCHEMA)


@pytest.mark.parametrize(
    ("labels", "message"),
    [({"sex": 2.0}, "unknown label 'sex'; the model's labels: death"), ({"death": {"2": 1.0}}, "unknown category '2'")],
)
def test_others_are_named(labels: dict[str, float | dict[str, float]], message: str) -> None:
    with pytest.raises(GuidanceError, match=message):
        check_guidance(GuidanceScale(labels=labels), SCHEMA)
