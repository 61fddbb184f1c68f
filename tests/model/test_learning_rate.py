import pytest

from model.learning_rate import WARMUP_STEPS, highest_rate, mean_factor, rate_factor
from model.spec.config import TrainingConfig


def test_who_would_not_come_so_far_is_not_pushed() -> None:
    assert highest_rate({"factor": 0.5, "travel": 1.0}, learning_rate=0.01, total=100.0) == 0.005
    assert highest_rate({"factor": 0.5, "travel": 1.0}, learning_rate=0.01, total=1000.0) == 0.001
    assert highest_rate({"factor": 0.5}, learning_rate=0.01, total=1000.0) == 0.005


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_shares_of_a_long_training_have_the_mean_that_is_told(schedule: str) -> None:
    training, n = TrainingConfig.model_validate({"learning_rate_schedule": schedule}), 100_000
    mean = sum(rate_factor(training, step=step, fraction=step / n) for step in range(n)) / n
    assert mean == pytest.approx(mean_factor(training), abs=2 * WARMUP_STEPS / n)


def test_a_rate_warms_up_and_goes_to_zero() -> None:
    training = TrainingConfig()
    assert rate_factor(training, step=0, fraction=0.0) == pytest.approx(1 / WARMUP_STEPS)
    assert rate_factor(training, step=WARMUP_STEPS, fraction=0.0) == 1.0
    assert rate_factor(training, step=10_000, fraction=1.0) == 0.0
