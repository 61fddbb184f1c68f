"""How a model is built, trained and sampled: one frozen object each, embedded unchanged in requests and records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.spec.base import Spec
from model.spec.guarantee import PrivacyBudget

Mode = Literal["conditional", "unconditional"]
Missing = Literal["as_observed", "imputed"]
Scaling = Literal["zscore", "quantile"]


Rho = Annotated[float, Field(ge=0.1, le=100)]
Scale = Annotated[float, Field(ge=0, le=20)]


class NetworkConfig(Spec):
    """Size of the denoiser network (a stack of bidirectional GRU layers)."""

    hidden_dim: int = Field(64, ge=4, le=1024, description="GRU units per direction")
    n_layers: int = Field(3, ge=1, le=12)
    embedding_dim: int = Field(16, ge=2, le=256, description="coordinates per category")


class TrainingConfig(Spec):
    """How long and how a model is trained. Training ends at `max_steps` or `max_minutes`, whichever is first."""

    max_steps: int = Field(48_000, ge=1, le=10_000_000)
    max_minutes: float | None = Field(None, gt=0, le=14 * 24 * 60)
    batch_size: int | None = Field(
        None, ge=1, le=65_536, description="stays per step; absent: 4096 on a GPU, 128 on a CPU"
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="at its highest; absent: 0.001 on a GPU, 0.004 on a CPU, where there are few steps",
    )
    learning_rate_schedule: Literal["cosine", "constant"] = "cosine"
    ema_decay: float = Field(0.997, ge=0, lt=1)
    label_dropout: float = Field(0.2, ge=0, lt=1, description="share of stays trained without their labels")
    noise_schedule: Literal["learnable", "fixed"] = "learnable"
    schedule_learning_rate: float = Field(0.1, gt=0, le=10, description="of the noise schedule, as a share of the rate")
    schedule_travel: float = Field(
        1.0, gt=0, le=1000, description="most that each part of an exponent moves over a whole training, about"
    )
    rho_range: tuple[Rho, Rho] = Field(
        (2.0, 15.0), description="bounds of the noise schedule's exponents, which the cross-entropy drives one way only"
    )
    numerical_loss: Literal["all", "observed"] = Field(
        "all", description="observed: values that were filled in for the training do not count"
    )
    categorical_weight: float = Field(3.0, gt=0, le=1000, description="of the categories' loss; the numbers' has 1")
    times: Literal["uniform", "middle"] = Field(
        "middle", description="diffusion times; middle: most of them where a stay takes shape, between .1 and .65"
    )
    scaling: Scaling = Field("zscore", description="of numerical features; quantile: to a normal distribution")
    categorical_diffusion: Literal["gaussian"] = "gaussian"
    privacy: PrivacyBudget | None = Field(
        None, description="differential privacy: clipped gradients with noise; absent: without"
    )

    @model_validator(mode="after")
    def _private_scaling(self) -> TrainingConfig:
        if self.privacy is not None and self.scaling != "zscore":
            raise ValueError("privacy: only with scaling 'zscore'; quantiles would cost more of the budget")
        return self

    @model_validator(mode="after")
    def _rho_range_in_order(self) -> TrainingConfig:
        if self.rho_range[0] > self.rho_range[1]:
            raise ValueError("rho_range: the lower bound is above the upper one")
        return self


class GuidanceScale(Spec):
    """Strength of classifier-free guidance per kind of feature: 1 is conditional without guidance.

    `labels` gives single labels, or single categories of them, a strength of their own for both kinds.
    """

    numerical: Scale = 1.5
    categorical: Scale = 1.5
    labels: dict[str, Scale | dict[str, Scale]] = Field(
        {}, description='by label, or by label and category: {"in_hospital_death": {"1": 2.0}}'
    )


class SamplerConfig(Spec):
    """How synthetic stays are drawn. `guidance_scale` is 1 + w in the notation of Ho & Salimans (2022).

    The paper's sampler is `euler` with 50 steps and start `zero`; docs/adr/0004 says why it is not the default.
    """

    solver: Literal["euler", "2m"] = "2m"
    n_steps: int = Field(20, ge=2, le=1000, description="evaluations of the network per stay and branch")
    guidance_scale: Scale | GuidanceScale = 1.5
    start: Literal["mean", "zero"] = Field(
        "mean", description="centre of the initial noise: the data's mean given the labels, or 0 as in the paper"
    )
    churn: float = Field(
        0.0, ge=0, le=2, description="fresh noise per step for the categories, 2m only: 0 none, 1 as the reverse SDE"
    )

    @model_validator(mode="after")
    def _only_2m_churns(self) -> SamplerConfig:
        if self.churn and self.solver != "2m":
            raise ValueError("churn: only the solver '2m' has it")
        return self

    @property
    def guidance(self) -> GuidanceScale:
        """The scale of each kind of feature, also where one number was given for both."""
        if isinstance(self.guidance_scale, GuidanceScale):
            return self.guidance_scale
        return GuidanceScale(numerical=self.guidance_scale, categorical=self.guidance_scale)
