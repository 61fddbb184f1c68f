"""Whose privacy is kept: that of patients, where the table says which stays are one patient's, else that of stays."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from model.data.stays import Stays
from model.private import noise
from model.spec.errors import TrainingError
from model.spec.guarantee import PrivacyBudget

Codes = npt.NDArray[np.int64]


class Units(NamedTuple):
    """Stays by unit: those of unit u are `stays[first[u] : first[u] + sizes[u]]`."""

    kind: Literal["stay", "patient"]
    stays: Codes
    first: Codes
    sizes: Codes

    @classmethod
    def of(cls, stays: Stays) -> Units:
        """The patients in `stays`, or where they are not known its stays."""
        patients = np.arange(len(stays)) if stays.patients is None else stays.patients
        order = np.argsort(patients, kind="stable")
        _, first, count = np.unique(patients[order], return_index=True, return_counts=True)
        return cls("stay" if stays.patients is None else "patient", order, first, count)

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.first)

    def draw(self, rate: float) -> Codes:
        """One stay of each unit in a Poisson sample: whatever the number of its stays, a unit has one gradient."""
        chosen = noise.sample(len(self.first), rate)
        which = (noise.uniform(len(chosen)) * self.sizes[chosen]).astype(np.int64)
        drawn: Codes = self.stays[self.first[chosen] + which]
        return drawn

    def weights(self) -> npt.NDArray[np.float64]:
        """(n,) of each stay: those of a unit add up to 1."""
        weights = np.empty(len(self.stays))
        weights[self.stays] = np.repeat(1 / self.sizes, self.sizes)
        return weights


def delta_for(budget: PrivacyBudget, n_units: int, kind: str) -> float:
    """The budget's delta; where it has none, the power of ten that is at most a tenth of 1 / `n_units`.

    TrainingError from 1 / n_units on: a mechanism that publishes one unit at random would be as private.
    """
    delta = 10.0 ** -math.ceil(math.log10(10 * n_units)) if budget.delta is None else budget.delta
    if delta * n_units >= 1:
        raise TrainingError(
            f"privacy: delta {delta:g} is no promise for {n_units:,} {kind}s: it must be below 1 / {n_units:,}"
        )
    return delta
