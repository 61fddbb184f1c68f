"""One interface for all that learns from stays and draws new ones: ours and the baselines that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays, concatenate
from model.diffusion.denoiser import Denoiser
from model.inference.choice import choose_engine
from model.inference.engine import Engine
from model.spec.config import Missing, NetworkConfig, SamplerConfig, TrainingConfig
from model.synthesis import UNCONDITIONED, synthesise
from model.training import CancelCheck, Progress, train

CHUNK_SIZE = 512


class TrainedGenerator(Protocol):
    """What has learned from stays."""

    def sample(self, labels: npt.NDArray[np.int64], *, seed: int, progress: Progress, cancelled: CancelCheck) -> Stays:
        """One stay per row of `labels` (n, K); -1 leaves a label to the generator, which reads it out of the stay."""


class Generator(Protocol):
    """A way to learn from stays, with all its settings. Evaluation does not know which one it has."""

    @property
    def training_key(self) -> str:
        """Names the training: two generators with one key differ in how they draw stays, not in what they learn."""

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
    ) -> TrainedGenerator:
        """Learn from training stays. A training that `workdir` holds is taken up where it ended, also if it is done."""


@dataclass(frozen=True)
class Cdmt:
    """The model of this project. `conditional=False` is the paper's "uncond": labels are left to the model."""

    network: NetworkConfig
    training: TrainingConfig
    sampler: SamplerConfig
    missing: Missing = "as_observed"
    conditional: bool = True

    @property
    def training_key(self) -> str:
        """Network and training."""
        return f"cdmt {self.network!r} {self.training!r}"

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
    ) -> TrainedCdmt:
        """See `Generator`."""
        trained = train(
            codec.encode(stays),
            codec,
            network=self.network,
            training=self.training,
            seed=seed,
            compute=compute,
            workdir=workdir,
            progress=progress,
            cancelled=cancelled,
        )
        denoiser = trained.module.requires_grad_(False).to(compute.torch_device())
        return TrainedCdmt(self, codec, denoiser, choose_engine(denoiser, compute))


@dataclass(frozen=True)
class TrainedCdmt:
    """A trained denoiser and how stays are drawn from it."""

    generator: Cdmt
    codec: Codec
    denoiser: Denoiser
    engine: Engine

    def sample(self, labels: npt.NDArray[np.int64], *, seed: int, progress: Progress, cancelled: CancelCheck) -> Stays:
        """See `TrainedGenerator`."""
        chunks = synthesise(
            self,
            labels if self.generator.conditional else np.full_like(labels, UNCONDITIONED),
            sampler=self.generator.sampler,
            missing=self.generator.missing,
            seed=seed,
            chunk_size=CHUNK_SIZE,
            progress=progress,
            cancelled=cancelled,
        )
        return concatenate(list(chunks))
