"""Generators that need no training: what a schedule does with their runs is known beforehand."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.reproduction.arms import Arm
from model.reproduction.plan import Plan
from model.reproduction.runs import Job
from model.reproduction.source import file_sha256
from model.spec.errors import SamplingError
from model.training import CancelCheck, Progress

CPU = Compute(device="cpu", precision="float32")
PLAN = Plan(quick=True, seeds=1, n_stays=100)


@dataclass(frozen=True)
class Repeating:
    """Draws stays of the training set with the label that is asked for; `fails` and `dies` when drawing."""

    name: str = "repeating"
    does: Literal["draws", "fails", "breaks", "dies"] = "draws"

    @property
    def training_key(self) -> str:
        return self.name

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
    ) -> Repeater:
        (workdir / "trained").write_text("yes")
        return Repeater(self, stays)


@dataclass(frozen=True)
class Repeater:
    generator: Repeating
    stays: Stays

    def sample(self, labels: npt.NDArray[np.int64], *, seed: int, progress: Progress, cancelled: CancelCheck) -> Stays:
        if self.generator.does == "fails":
            raise SamplingError("the sampler left the finite numbers")
        if self.generator.does == "breaks":
            raise KeyError("a value of 117.25")
        if self.generator.does == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        rng = np.random.default_rng(seed)
        wanted = np.where(labels < 0, self.stays.labels[rng.integers(0, len(self.stays), len(labels))], labels)
        rows = [rng.choice(np.flatnonzero(self.stays.labels[:, 0] == label)) for label in wanted[:, 0]]
        return self.stays.take(np.array(rows, dtype=np.int64))


def job(arm: Arm, table: Path, work: Path, *, seed: int = 0, plan: Plan = PLAN) -> Job:
    return Job(arm, seed, plan, CPU, work, table, file_sha256(table))
