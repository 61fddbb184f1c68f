"""The privacy accountant: Renyi differential privacy of Gaussian mechanisms on random samples, by Opacus.

Mironov (2017) for the composition, Mironov, Talwar & Zhang (2019) for Poisson sampling, Balle et al. (2020, theorem 21)
for epsilon. All bounds hold exactly; those of a numerical accountant (PRV) are some percent lower, up to its error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.spec.errors import TrainingError
from model.spec.guarantee import PrivacyBudget

ORDERS = [1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 3.5, *range(4, 64), *(int(64 * 2 ** (x / 2)) for x in range(11))]
STATISTICS_SHARE = 0.1
"""Of the budget, as squares of 1 / noise multiplier: the steps' noise grows by 5 % for it."""
TOLERANCE = 1e-3
MAX_NOISE = 1e6


class Release(NamedTuple):
    """A Gaussian mechanism that is applied `times` times to a sample of the units: noise in units of sensitivity."""

    noise_multiplier: float
    sample_rate: float
    times: int


class Plan(NamedTuple):
    """What a training will release, its statistics first: at the end, the budget is spent."""

    statistics_noise: float
    noise_multiplier: float
    sample_rate: float
    steps: int


def epsilon_of(releases: Sequence[Release], delta: float) -> float:
    """What all releases together spend."""
    return _epsilon(sum((_renyi(release) for release in releases), start=np.zeros(len(ORDERS))), delta)


def epsilon_by_steps(plan: Plan, delta: float) -> Callable[[int], float]:
    """What the statistics and so many steps of a plan spend."""
    statistics = _renyi(Release(plan.statistics_noise, 1.0, 1))
    step = _renyi(Release(plan.noise_multiplier, plan.sample_rate, 1))
    return lambda steps: _epsilon(statistics + steps * step, delta)


def plan_for(budget: PrivacyBudget, delta: float, *, sample_rate: float, steps: int) -> Plan:
    """The least noise with which `steps` steps keep to the budget; TrainingError where no noise does."""
    alone = _least(lambda noise: epsilon_of([Release(noise, 1.0, 1)], delta), budget.epsilon)
    statistics = Release(alone / STATISTICS_SHARE**0.5, 1.0, 1)
    noise = _least(
        lambda noise: epsilon_of([statistics, Release(noise, sample_rate, steps)], delta),
        budget.epsilon,
    )
    return Plan(statistics.noise_multiplier, noise, sample_rate, steps)


@lru_cache(maxsize=512)
def _renyi(release: Release) -> npt.NDArray[np.float64]:
    rdp_of = _analysis().compute_rdp
    noise, rate, times = release
    return np.asarray(rdp_of(q=rate, noise_multiplier=noise, steps=times, orders=ORDERS), dtype=np.float64)


def _epsilon(renyi: npt.NDArray[np.float64], delta: float) -> float:
    with warnings.catch_warnings():  # that another order might give a lower bound: this one holds
        warnings.filterwarnings("ignore", message="Optimal order is the")
        epsilon, _ = _analysis().get_privacy_spent(orders=ORDERS, rdp=renyi, delta=delta)
    return max(0.0, float(epsilon))


def _least(spent: Callable[[float], float], epsilon: float) -> float:
    """The least noise, to a thousandth, with which no more than `epsilon` is spent."""
    high = 1.0
    while spent(high) > epsilon:
        high *= 2
        if high > MAX_NOISE:
            raise TrainingError(f"no amount of noise gives a training with epsilon {epsilon:g}: ask for more")
    low = high / 2 if high > 1 else 0.0
    while high - low > TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if spent(middle) <= epsilon else (middle, high)
    return high


def _analysis() -> ModuleType:
    """Opacus, which is imported here and nowhere else, where it is needed."""
    try:
        from opacus.accountants.analysis import rdp
    except ImportError as error:
        raise TrainingError(
            "a training with differential privacy needs Opacus, which is not installed: pip install 'cdmt-ehr[private]'"
        ) from error
    module: ModuleType = rdp
    return module
