"""How a model is built, trained and sampled: one frozen object each, embedded unchanged in requests and records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from model.spec.base import Spec

Mode = Literal["conditional", "unconditional"]
Missing = Literal["as_observed", "imputed"]


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
    categorical_diffusion: Literal["gaussian"] = "gaussian"


class GuidanceScale(Spec):
    """Strength of classifier-free guidance per kind of feature: 1 is conditional without guidance."""

    numerical: float = Field(1.5, ge=0, le=20)
    categorical: float = Field(1.5, ge=0, le=20)


class SamplerConfig(Spec):
    """How synthetic stays are drawn. `guidance_scale` is 1 + w in the notation of Ho & Salimans (2022).

    The paper's sampler is `euler` with 50 steps and start `zero`; docs/adr/0004 says why it is not the default.
    """

    solver: Literal["euler", "2m"] = "2m"
    n_steps: int = Field(20, ge=2, le=1000, description="evaluations of the network per stay and branch")
    guidance_scale: Annotated[float, Field(ge=0, le=20)] | GuidanceScale = 1.5
    start: Literal["mean", "zero"] = Field(
        "mean", description="centre of the initial noise: the data's mean given the labels, or 0 as in the paper"
    )

    @property
    def guidance(self) -> GuidanceScale:
        """The scale of each kind of feature, also where one number was given for both."""
        if isinstance(self.guidance_scale, GuidanceScale):
            return self.guidance_scale
        return GuidanceScale(numerical=self.guidance_scale, categorical=self.guidance_scale)
