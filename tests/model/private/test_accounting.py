import math
import sys

import pytest
from opacus.accountants import PRVAccountant
from scipy.optimize import brentq
from scipy.stats import norm

from model.private.accounting import Release, _renyi, epsilon_by_steps, epsilon_of, plan_for
from model.spec.errors import TrainingError
from model.spec.guarantee import PrivacyBudget

DELTA = 1e-5


def exact_epsilon(noise: float, times: int) -> float:
    """Of a Gaussian mechanism without sampling: Balle & Wang 2018, theorem 8; so many times are one with less noise."""
    mu = math.sqrt(times) / noise

    def excess(epsilon: float) -> float:
        own = norm.cdf(mu / 2 - epsilon / mu)
        return float(own - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu) - DELTA)

    return float(brentq(excess, 0, 100))


@pytest.mark.parametrize(("noise", "times"), [(1.0, 1), (4.0, 1), (10.0, 50), (100.0, 10_000), (50.0, 7)])
def test_without_sampling_the_bound_is_just_above_the_exact_figure(noise: float, times: int) -> None:
    exact = exact_epsilon(noise, times)
    assert exact <= epsilon_of([Release(noise, 1.0, times)], DELTA) <= 1.25 * exact + 0.01


def test_a_release_made_twice_is_two_releases() -> None:
    twice = epsilon_of([Release(3.0, 0.1, 8)], DELTA)
    assert epsilon_of([Release(3.0, 0.1, 5), Release(3.0, 0.1, 3)], DELTA) == pytest.approx(twice)


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "published"),
    [
        (4.0, 0.01, 10_000, 1.26),  # Abadi et al. 2016, section 3.2, by the moments accountant
        (1.1, 256 / 60_000, 14_062, 3.01),  # the example of TensorFlow Privacy for MNIST, 60 epochs
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:Optimal order is the")
def test_published_settings(noise: float, rate: float, steps: int, published: float) -> None:
    numerical = PRVAccountant()
    numerical.history = [(noise, rate, steps)]
    epsilon = epsilon_of([Release(noise, rate, steps)], DELTA)
    assert 0.98 * numerical.get_epsilon(DELTA) <= epsilon <= published


@pytest.mark.parametrize("epsilon", [0.5, 8.0])
def test_a_plan_spends_its_budget_and_no_more(epsilon: float) -> None:
    plan = plan_for(PrivacyBudget(epsilon=epsilon), DELTA, sample_rate=0.05, steps=100)
    spent = epsilon_by_steps(plan, DELTA)
    assert 0.99 * epsilon < spent(100) <= epsilon < spent(102)
    assert 0 < spent(0) < spent(1) < spent(50) < spent(100)
    whole = [Release(plan.statistics_noise, 1.0, 1), Release(plan.noise_multiplier, 0.05, 100)]
    assert spent(100) == pytest.approx(epsilon_of(whole, DELTA))


def test_a_budget_that_no_noise_can_keep_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"epsilon 0\.0001"):
        plan_for(PrivacyBudget(epsilon=1e-4), DELTA, sample_rate=0.05, steps=100)


def test_without_opacus_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opacus.accountants.analysis", None)
    _renyi.cache_clear()
    with pytest.raises(TrainingError, match="needs Opacus, which is not installed: pip install"):
        epsilon_of([Release(1.0, 1.0, 1)], DELTA)
