"""Stays as records between which distances are measured, with masks respected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.evaluation.space import Bools, Codes, Floats, Inputs

MISMATCH = 1.0
"""What an entry adds to the squared distance when one stay has it measured and the other has not, or when categories
differ: one squared standard deviation, half of what two unrelated values add."""

UNRELATED = 2.0
PRIOR = 10.0
"""Entries that are added to those measured in both, each with the squared difference of two unrelated values: stays
that share hardly an entry are not alike."""

SmallCodes = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Records:
    """Stays to measure distances between.

    values    (n, L, M) float32 z-scored, 0 where not measured
    measured  (n, L, M) bool
    codes     (n, L, C) int16, category `sizes[j] - 1` is "missing"
    sizes     categories of each column of `codes`
    """

    values: Inputs
    measured: Bools
    codes: SmallCodes
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_steps(self) -> int:
        """Time steps of a stay."""
        return int(self.values.shape[1])

    @property
    def width(self) -> int:
        """Columns of the matrix product that gives the distances."""
        return self.n_steps * (3 * int(self.values.shape[2]) + sum(self.sizes))

    def take(self, index: Codes | Bools | slice) -> Records:
        """The stays at `index`."""
        return Records(self.values[index], self.measured[index], self.codes[index], self.sizes)

    def window(self, steps: slice) -> Records:
        """All stays, at some of their time steps."""
        return Records(self.values[:, steps], self.measured[:, steps], self.codes[:, steps], self.sizes)

    @property
    def present(self) -> Bools:
        """(n, L, C) where a category is not missing."""
        return np.asarray(self.codes != np.array(self.sizes, dtype=np.int16) - 1)

    def vital(self, j: int) -> Records:
        """The trajectories of one numerical feature."""
        one = slice(j, j + 1)
        return Records(self.values[:, :, one], self.measured[:, :, one], self.codes[:, :, :0], ())

    def joined(self, other: Records) -> Records:
        """These stays, then the others."""
        return Records(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.measured, other.measured]),
            np.concatenate([self.codes, other.codes]),
            self.sizes,
        )

    def told(self) -> Codes:
        """(n,) how much a stay tells: the values that differ from the feature's last one, and changes of category.

        Flat, filled and nearly empty stays tell little, and coincide by chance.
        """
        last = np.full((len(self), self.values.shape[2]), np.nan, dtype=np.float32)
        count = np.zeros(len(self), dtype=np.int64)
        for t in range(self.n_steps):
            new = self.measured[:, t] & (self.values[:, t] != last)
            last = np.where(new, self.values[:, t], last)
            count += new.sum(axis=1)
        changes = (self.codes[:, 1:] != self.codes[:, :-1]).sum(axis=(1, 2))
        return np.asarray(count + changes, dtype=np.int64)


def squared_distance(a: Records, b: Records) -> Floats:
    """(n,) squared distances between a[i] and b[i], in double precision.

    The squared differences of values measured in both, and MISMATCH for each entry that is measured in one only, and
    for each categorical entry that differs; two missing entries are alike.
    """
    both = a.measured & b.measured
    gaps = np.where(both, a.values.astype(np.float64) - b.values, 0.0)
    mismatches = (a.measured ^ b.measured).sum(axis=(1, 2)) + (a.codes != b.codes).sum(axis=(1, 2))
    return np.asarray((gaps**2).sum(axis=(1, 2)) + MISMATCH * mismatches, dtype=np.float64)


def shared_distance(a: Records, b: Records) -> Floats:
    """(n,) mean squared distance over the entries measured in both of a[i] and b[i]; see PRIOR."""
    both, present = a.measured & b.measured, a.present & b.present
    gaps = np.where(both, a.values.astype(np.float64) - b.values, 0.0)
    total = (gaps**2).sum(axis=(1, 2)) + MISMATCH * (present & (a.codes != b.codes)).sum(axis=(1, 2))
    n = both.sum(axis=(1, 2)) + present.sum(axis=(1, 2))
    return np.asarray((total + PRIOR * UNRELATED) / (n + PRIOR), dtype=np.float64)
