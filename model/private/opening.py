"""What comes before the first step of a private training: a plan for its whole budget, and the noisy statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.private import statistics
from model.private.accounting import Plan
from model.private.statistics import Statistics
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.guarantee import PrivacyBudget
from model.spec.schema import Schema
from model.training_checkpoint import fingerprint_of

BATCH_SIZE_CPU, BATCH_SIZE_GPU = 512, 4096
"""Units per step, on average, where the request leaves it open: in larger batches noise weighs less."""


@dataclass(frozen=True)
class Task:
    """What is to be learned from whom, and how. What is below the fields is for a `training` with a budget."""

    stays: Stays
    schema: Schema
    network: NetworkConfig
    training: TrainingConfig
    seed: int
    compute: Compute

    @property
    def budget(self) -> PrivacyBudget:
        """What may be spent."""
        assert self.training.privacy is not None, "without a budget there is another training"
        return self.training.privacy

    @property
    def batch_size(self) -> int:
        """Units per step, on average."""
        on_gpu = self.compute.torch_device().type == "cuda"
        return self.training.batch_size or (BATCH_SIZE_GPU if on_gpu else BATCH_SIZE_CPU)

    def fingerprint(self) -> str:
        """What must be the same for a training to go on from a checkpoint."""
        stays, none = self.stays, np.zeros(0, dtype=np.int64)
        patients, lengths = (none if array is None else array for array in (stays.patients, stays.lengths))
        settings = f"private {self.schema!r} {self.network!r} {self.training!r} {self.seed}"
        return fingerprint_of((stays.numerical, stays.categorical, stays.labels, patients, lengths), settings)


class Opening(NamedTuple):
    """A plan, the delta for which it was made, and the statistics that were released: all that a restart must keep."""

    plan: Plan
    delta: float
    released: npt.NDArray[np.float64]

    def statistics(self, schema: Schema) -> Statistics:
        """What was released, by its meaning."""
        return statistics.statistics(self.released, schema, noise_multiplier=self.plan.statistics_noise)

    def codec(self, schema: Schema) -> Codec:
        """A codec that knows nothing else of the data."""
        return Codec(statistics.codec_state(self.statistics(schema), schema))

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        numbers = torch.tensor([*self.plan, self.delta], dtype=torch.float64)
        return {"opening/plan": numbers, "opening/released": torch.as_tensor(self.released)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Opening:
        """The inverse of `tensors`."""
        noise, multiplier, rate, steps, delta = tensors["opening/plan"].tolist()
        return cls(Plan(noise, multiplier, rate, int(steps)), delta, tensors["opening/released"].cpu().numpy())
