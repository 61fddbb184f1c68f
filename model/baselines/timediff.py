"""TimeDiff (Tian et al. 2024, arXiv:2310.15290): numbers and categories diffuse side by side in 1000 discrete steps.

From the paper: DDPM for the numerical series, multinomial diffusion for the discrete ones (missingness marks among
them), one bidirectional recurrent network for both that is conditioned on the diffusion step by a sinusoidal embedding,
and the joint loss `L_N + weight L_C`. Our choice, where the paper leaves it open or we have not got it: the linear
schedule of Ho et al. (2020); three layers of LayerNorm, FiLM, GRU and residual, those of our own denoiser, so that the
comparison is one of diffusions and not of networks; labels as channels that are generated with the others; the training
loop (EMA, learning rates, batches), which is ours; and the weight.

The weight is the trap. L_N is a mean over values, while the multinomial bound of a stay is a sum over 1000 steps, all
clinical steps and all channels: taken as it is, it is hundreds of times larger, and the numbers are hardly learned.
Here L_C is the bound per position, T times the divergence of one step, and `categorical_weight` counts that.
docs/baselines.md has the measurement behind its default.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field

from model.baselines.backbone import Backbone
from model.baselines.drawing import AfterStep, Labels, decoded, draw_in_chunks
from model.baselines.mixed_diffusion import MixedDiffusion, TimeDiffDenoiser, sample_states
from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.spec.base import Spec
from model.spec.config import Missing, TrainingConfig
from model.spec.errors import SamplingError
from model.synthesis import UNCONDITIONED
from model.training import CancelCheck, Progress, finish
from model.training_run import Fitting


class TimeDiff(Spec):
    """TimeDiff as a `Generator`. The width of its network is 2 hidden_dim; `n_steps` is also that of sampling."""

    training: TrainingConfig
    backbone: Backbone = "gru"
    hidden_dim: int = Field(92, ge=4, multiple_of=2)
    n_layers: int = Field(3, ge=1)
    n_steps: int = Field(1000, ge=10)
    categorical_weight: float = Field(1.0, ge=0)
    missing: Missing = "as_observed"
    chunk_size: int = Field(512, ge=1)

    @property
    def objective(self) -> MixedDiffusion:
        """What it minimises."""
        return MixedDiffusion(self.backbone, self.hidden_dim, self.n_layers, self.n_steps, self.categorical_weight)

    @property
    def training_key(self) -> str:
        """Objective and training."""
        return f"timediff {self.objective!r} {self.training!r}"

    def train(
        self,
        stays: Stays,
        codec: Codec,
        *,
        seed: int,
        compute: Compute,
        workdir: Path,
        progress: Progress,
        cancelled: CancelCheck,
    ) -> TrainedTimeDiff:
        """See `Generator`."""
        run = Fitting(
            codec.encode(stays), codec, objective=self.objective, training=self.training, seed=seed, compute=compute
        )
        fitted = finish(run, workdir=workdir, progress=progress, cancelled=cancelled)
        return TrainedTimeDiff(self, codec, fitted.module.requires_grad_(False).to(compute.torch_device()))


@dataclass(frozen=True)
class TrainedTimeDiff:
    """A trained TimeDiff."""

    generator: TimeDiff
    codec: Codec
    denoiser: TimeDiffDenoiser

    def sample(self, labels: Labels, *, seed: int, progress: Progress, cancelled: CancelCheck) -> Stays:
        """See `TrainedGenerator`. Raises SamplingError for a label that is asked for: TimeDiff draws its own."""
        if (labels != UNCONDITIONED).any():
            raise SamplingError("TimeDiff cannot be asked for labels: it generates them with the stays; ask for -1")
        return draw_in_chunks(
            labels,
            self._draw,
            chunk_size=self.generator.chunk_size,
            seed=seed,
            device=self.denoiser.categories.log_uniform.device,
            progress=progress,
            cancelled=cancelled,
        )

    def _draw(self, asked: Labels, generator: torch.Generator, after_step: AfterStep) -> Stays:
        x, codes = sample_states(self.denoiser, len(asked), generator=generator, after_step=after_step)
        return decoded(self.codec, x, codes, asked=asked, missing=self.generator.missing)
