"""The privacy gate: how close to real patients a cohort may come, and what the gate decided."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from model.spec.base import Spec

PrivacyStatus = Literal["passed", "held", "not_evaluated"]


class PrivacyThresholds(Spec):
    """A cohort is held when a test's figure is above its threshold beyond doubt: when its interval's lower end is.

    Chance alone gives shares and AUCs of 0.5 and excesses of 0, whatever the data; each default leaves room for a good
    generator, which resembles its training data a little more than data it never saw, and none for copies.
    """

    copies: float = Field(0.0, ge=0, le=1, description="exact copies of real stays, share beyond what real stays show")
    near_copies: float = Field(
        0.005, ge=0, le=1, description="stays much closer to one real stay than to any other, share beyond real stays'"
    )
    dcr_share: float = Field(
        0.55, ge=0.5, le=1, description="closer to the training than to the holdout stays; 0.5 is chance"
    )
    dcr_tail_share: float = Field(
        0.65, ge=0.5, le=1, description="the same among the closest stays, where copies are; 0.5 is chance"
    )
    nnaa_loss: float = Field(0.05, ge=0, le=1, description="adversarial accuracy, holdout side minus training side")
    membership_auc: float = Field(
        0.55, ge=0.5, le=1, description="of an attacker who guesses who was trained on; 0.5 is chance"
    )
    membership_excess: float = Field(
        0.01, ge=0, le=1, description="training stays that an attacker names at 1 % false alarms, beyond that 1 %"
    )
    attribute_gain: float = Field(
        0.05, ge=0, le=1, description="AUC of guessing the label of training stays minus that of holdout stays"
    )


class HeldTest(Spec):
    """A test that a cohort failed: the figure's lower bound is above the threshold."""

    name: str = Field(description="of the metric")
    about: str | None = Field(None, description="the stays or the feature in question; null: all")
    value: float
    low: float
    threshold: float
    detail: str = Field(description="in words, naming the test")


class PrivacyVerdict(Spec):
    """What the gate decided, and why."""

    status: PrivacyStatus
    reason: str = Field(description="one sentence for the steward")
    failed: tuple[HeldTest, ...] = ()
    n_tests: int = 0

    @model_validator(mode="after")
    def _held_for_a_reason(self) -> Self:
        if (self.status == "held") != bool(self.failed):
            raise ValueError("a cohort is held exactly when a test failed")
        return self
