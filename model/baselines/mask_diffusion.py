"""Our model with its categories by mask diffusion instead of Gaussian diffusion of embeddings: the paper's ablation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from model.baselines.drawing import AfterStep, Labels, decoded, draw_in_chunks
from model.baselines.masking import MaskDenoiser, MaskDenoising
from model.baselines.unmasking import guided, sample_states
from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.diffusion.guidance import one_hot_labels
from model.diffusion.sampler import solver_times
from model.spec.base import Spec
from model.spec.config import Missing, NetworkConfig, TrainingConfig
from model.synthesis import UNCONDITIONED
from model.training import CancelCheck, Progress, finish
from model.training_run import Fitting


class MaskDiffusion(Spec):
    """Mask diffusion as a `Generator`. `guidance_scale` is 1 + w; `conditional=False` leaves labels to the model."""

    network: NetworkConfig
    training: TrainingConfig
    n_steps: int = Field(50, ge=2)
    guidance_scale: float = Field(1.5, ge=0)
    missing: Missing = "as_observed"
    conditional: bool = True
    chunk_size: int = Field(512, ge=1)

    @property
    def objective(self) -> MaskDenoising:
        """What it minimises."""
        return MaskDenoising(self.network, self.training)

    @property
    def training_key(self) -> str:
        """Objective and training."""
        return f"mask diffusion {self.objective!r} {self.training!r}"

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
    ) -> TrainedMaskDiffusion:
        """See `Generator`."""
        run = Fitting(
            codec.encode(stays), codec, objective=self.objective, training=self.training, seed=seed, compute=compute
        )
        fitted = finish(run, workdir=workdir, progress=progress, cancelled=cancelled)
        return TrainedMaskDiffusion(self, codec, fitted.module.requires_grad_(False).to(compute.torch_device()))


@dataclass(frozen=True)
class TrainedMaskDiffusion:
    """A trained model with mask diffusion."""

    generator: MaskDiffusion
    codec: Codec
    denoiser: MaskDenoiser

    def sample(self, labels: Labels, *, seed: int, progress: Progress, cancelled: CancelCheck) -> Stays:
        """See `TrainedGenerator`."""
        return draw_in_chunks(
            labels if self.generator.conditional else np.full_like(labels, UNCONDITIONED),
            self._draw,
            chunk_size=self.generator.chunk_size,
            seed=seed,
            device=self.denoiser.embedding.mask.device,
            progress=progress,
            cancelled=cancelled,
        )

    @torch.no_grad()
    def _draw(self, asked: Labels, generator: torch.Generator, after_step: AfterStep) -> Stays:
        dimensions, device = self.denoiser.dimensions, generator.device
        label = one_hot_labels(torch.as_tensor(asked, device=device), dimensions.label_sizes)
        sigmas = self.denoiser.schedule(solver_times(self.generator.n_steps).to(device))
        shape = (len(asked), dimensions.sequence_length, dimensions.n_numerical)
        x, codes = sample_states(
            guided(self.denoiser, label, scale=self.generator.guidance_scale),
            sigmas[0] * torch.randn(shape, generator=generator, device=device),
            sigmas=sigmas,
            sizes=torch.tensor(dimensions.channel_sizes, device=device),
            generator=generator,
            after_step=after_step,
        )
        return decoded(self.codec, x, codes, asked=asked, missing=self.generator.missing)
