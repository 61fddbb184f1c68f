import pytest

from model.spec.errors import SchemaError
from model.spec.guarantee import PrivacyGuarantee, check_bounds
from model.spec.schema import NumericalFeature, Schema

GUARANTEE = PrivacyGuarantee(
    unit="patient",
    epsilon=3.991,
    epsilon_allowed=8,
    delta=1e-5,
    max_grad_norm=1,
    sample_rate=0.1,
    steps=100,
    noise_multiplier=1,
    statistics_noise_multiplier=2,
    covered=("a",),
    not_covered=("this", "that"),
)


def test_what_was_spent_is_never_told_as_less() -> None:
    assert "epsilon 4 spent of 8, delta 1e-05, for each patient" in GUARANTEE.sentence
    assert GUARANTEE.sentence.endswith("Not covered: this; that.")
    assert "epsilon 8 spent of 8" in GUARANTEE.model_copy(update={"epsilon": 7.9999}).sentence


@pytest.mark.parametrize("bounds", [{}, {"min": 0}, {"max": 0}])
def test_a_feature_without_bounds_is_named(bounds: dict[str, float]) -> None:
    schema = Schema(stay_id="s", time="t", sequence_length=1, features=(NumericalFeature(name="x", **bounds),))
    with pytest.raises(SchemaError, match="feature 'x'"):
        check_bounds(schema)
