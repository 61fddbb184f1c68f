import pytest
from pydantic import ValidationError

from model.spec.privacy import HeldTest, PrivacyThresholds, PrivacyVerdict

FAILED = HeldTest(name="near_copies", value=0.05, low=0.04, threshold=0.005, detail="near copies: 5 %")


def test_a_cohort_is_held_for_a_reason_and_passes_without_one() -> None:
    with pytest.raises(ValidationError, match="exactly when a test failed"):
        PrivacyVerdict(status="held", reason="just so")
    with pytest.raises(ValidationError, match="exactly when a test failed"):
        PrivacyVerdict(status="passed", reason="in spite of it", failed=(FAILED,))
    assert PrivacyVerdict(status="held", reason="copies", failed=(FAILED,)).failed[0].about is None


@pytest.mark.parametrize(("name", "value"), [("dcr_share", 0.4), ("membership_auc", 1.1), ("near_copies", -0.1)])
def test_a_threshold_below_chance_or_beyond_all_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        PrivacyThresholds.model_validate({name: value})
