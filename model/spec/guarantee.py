"""Differential privacy of a training: what is asked for, and what can be said of the model afterwards."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from model.spec.base import Spec
from model.spec.errors import SchemaError
from model.spec.schema import Schema


class PrivacyBudget(Spec):
    """(epsilon, delta)-differential privacy of a training, for patients where they are known, else for stays."""

    epsilon: float = Field(gt=0, le=100, description="most that the training may spend")
    delta: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="less than 1 / (patients or stays to train on); absent: a power of ten, a tenth of that at most",
    )
    max_grad_norm: float = Field(
        1.0, gt=0, le=1000, description="norm to which a stay's gradient is clipped; the noise is in proportion to it"
    )


class PrivacyGuarantee(Spec):
    """What is known of a stay, or of a patient, from a model that was trained with differential privacy.

    Two sets of training data that differ by one unit, added or removed, give models whose distributions are within
    (epsilon, delta) of each other. `covered` files follow from the data through that mechanism alone, but for what
    `not_covered` names.
    """

    unit: Literal["stay", "patient"]
    epsilon: float = Field(description="spent")
    epsilon_allowed: float
    delta: float
    accountant: Literal["rdp"] = "rdp"
    max_grad_norm: float
    sample_rate: float = Field(description="probability of each unit to be in a step")
    steps: int = Field(description="noisy steps, those that a restart did again among them")
    noise_multiplier: float = Field(description="noise of a step, in units of max_grad_norm")
    statistics_noise_multiplier: float = Field(description="noise of scales, marginals and label counts")
    covered: tuple[str, ...]
    not_covered: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """For a reader of a report; what was spent is rounded up."""
        spent = min(math.ceil(100 * self.epsilon) / 100, self.epsilon_allowed)
        return (
            f"The model was trained with differential privacy: epsilon {spent:g} spent of "
            f"{self.epsilon_allowed:g}, delta {self.delta:g}, for each {self.unit}; accountant: Renyi (RDP). It covers "
            f"the model alone, not this report. Not covered: {'; '.join(self.not_covered)}."
        )


def check_bounds(schema: Schema) -> None:
    """SchemaError where a numerical feature has no bounds."""
    for feature in schema.numerical:
        if feature.min is None or feature.max is None:
            raise SchemaError(
                f"feature '{feature.name}': a training with differential privacy needs its min and max in the schema, "
                "since to take them from the table would tell of its patients"
            )
