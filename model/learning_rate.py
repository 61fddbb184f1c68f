"""How the learning rate goes over a training, and how far that lets parameters come."""

from __future__ import annotations

import math
from collections.abc import Mapping

from model.spec.config import TrainingConfig

WARMUP_STEPS = 100


def rate_factor(training: TrainingConfig, *, step: int, fraction: float) -> float:
    """Share of the highest learning rate that a step has, `fraction` of the training being done."""
    warm_up = min(1.0, (step + 1) / WARMUP_STEPS)
    if training.learning_rate_schedule == "constant":
        return warm_up
    return warm_up * 0.5 * (1 + math.cos(math.pi * fraction))


def mean_factor(training: TrainingConfig) -> float:
    """The mean of these shares over a whole training, but for its first steps."""
    return 1.0 if training.learning_rate_schedule == "constant" else 0.5


def highest_rate(group: Mapping[str, float], *, learning_rate: float, total: float) -> float:
    """The rate of a `ParameterGroup` where its share is 1; the shares of all steps add up to `total`.

    A step of Adam is about as long as its rate: where the group is to travel less than the rates would add up to, they
    are lower in proportion.
    """
    return min(learning_rate * group["factor"], group.get("travel", math.inf) / total)
