"""Stays as aligned arrays: the form of data that every other module of the model takes and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

MISSING_CATEGORY = -1


@dataclass(frozen=True)
class Stays:
    """`n` stays on one grid of `L` steps, features in the order of their schema.

    numerical    (n, L, M_n) float32 in the schema's units; NaN = not measured
    categorical  (n, L, M_c) int64 codes into the feature's categories; -1 = missing
    labels       (n, K) int64 codes into the label's categories, never missing
    patients     (n,) int64, equal for stays of one patient; None where the table has no patient id
    lengths      (n,) int64, steps until the end of each stay, 1 to L; None = all last for L steps. After its end
                 everything in a stay is missing
    """

    numerical: npt.NDArray[np.float32]
    categorical: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64] | None = None
    lengths: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n, length, _ = self.numerical.shape
        assert self.categorical.shape[:2] == (n, length)
        assert len(self.labels) == n
        assert self.lengths is None or self.lengths.shape == (n,)

    def __len__(self) -> int:
        return len(self.numerical)

    @property
    def sequence_length(self) -> int:
        """Time steps of the longest stay that there may be, L."""
        return int(self.numerical.shape[1])

    @property
    def observed(self) -> npt.NDArray[np.bool_]:
        """(n, L, M_n) True where a numerical value was measured."""
        return ~np.isnan(self.numerical)

    @property
    def n_steps(self) -> npt.NDArray[np.int64]:
        """(n,) time steps of each stay."""
        return np.full(len(self), self.sequence_length) if self.lengths is None else self.lengths

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """(n, L) True up to the end of each stay."""
        return np.arange(self.sequence_length) < self.n_steps[:, None]

    def ended(self) -> Stays:
        """The same stays with nothing after their end."""
        if self.lengths is None:
            return self
        inside = self.inside[:, :, None]
        numerical = np.where(inside, self.numerical, np.float32(np.nan))
        return replace(self, numerical=numerical, categorical=np.where(inside, self.categorical, MISSING_CATEGORY))

    def take(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Stays:
        """The stays at `index`, in that order."""
        patients = None if self.patients is None else self.patients[index]
        lengths = None if self.lengths is None else self.lengths[index]
        return Stays(self.numerical[index], self.categorical[index], self.labels[index], patients, lengths)

    def replace(self, index: npt.NDArray[np.int64], others: Stays) -> Stays:
        """The same stays with `others` in the places `index`; without patients."""
        numerical, categorical, labels = self.numerical.copy(), self.categorical.copy(), self.labels.copy()
        numerical[index], categorical[index], labels[index] = others.numerical, others.categorical, others.labels
        lengths = self.n_steps.copy()
        lengths[index] = others.n_steps
        return Stays(numerical, categorical, labels, lengths=_unless_full([self, others], lengths))


def concatenate(parts: list[Stays]) -> Stays:
    """The stays of all parts, at least one, in order; without patients."""
    if len(parts) == 1:
        return parts[0]
    return Stays(
        numerical=np.concatenate([part.numerical for part in parts]),
        categorical=np.concatenate([part.categorical for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        lengths=_unless_full(parts, np.concatenate([part.n_steps for part in parts])),
    )


def _unless_full(parts: Sequence[Stays], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    return None if all(part.lengths is None for part in parts) else lengths
