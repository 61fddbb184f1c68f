"""Stays as aligned arrays: the form of data that every other module of the model takes and returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MISSING_CATEGORY = -1


@dataclass(frozen=True)
class Stays:
    """`n` stays of equal length, features in the order of their schema.

    numerical    (n, L, M_n) float32 in the schema's units; NaN = not measured
    categorical  (n, L, M_c) int64 codes into the feature's categories; -1 = missing
    labels       (n, K) int64 codes into the label's categories, never missing
    patients     (n,) int64, equal for stays of one patient; None where the table has no patient id
    """

    numerical: npt.NDArray[np.float32]
    categorical: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n, length, _ = self.numerical.shape
        assert self.categorical.shape[:2] == (n, length)
        assert len(self.labels) == n

    def __len__(self) -> int:
        return len(self.numerical)

    @property
    def sequence_length(self) -> int:
        """Time steps of a stay."""
        return int(self.numerical.shape[1])

    @property
    def observed(self) -> npt.NDArray[np.bool_]:
        """(n, L, M_n) True where a numerical value was measured."""
        return ~np.isnan(self.numerical)

    def take(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Stays:
        """The stays at `index`, in that order."""
        patients = None if self.patients is None else self.patients[index]
        return Stays(self.numerical[index], self.categorical[index], self.labels[index], patients)

    def replace(self, index: npt.NDArray[np.int64], others: Stays) -> Stays:
        """The same stays with `others` in the places `index`; without patients."""
        numerical, categorical, labels = self.numerical.copy(), self.categorical.copy(), self.labels.copy()
        numerical[index], categorical[index], labels[index] = others.numerical, others.categorical, others.labels
        return Stays(numerical, categorical, labels)


def concatenate(parts: list[Stays]) -> Stays:
    """The stays of all parts, at least one, in order; without patients."""
    if len(parts) == 1:
        return parts[0]
    return Stays(
        numerical=np.concatenate([part.numerical for part in parts]),
        categorical=np.concatenate([part.categorical for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
    )
