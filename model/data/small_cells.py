"""Counts of real stays as they may be told: none of 1 to 10 can be read from them, nor worked out from the others.

A small count is told as 5 (or, where there are many, as what they are on average), and other counts make up for it. So
the sum is right, and the same is told whatever the small count was: nothing follows from the exact number of stays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

Cell = tuple[int, ...]

SHARED_BY = 11
"""Stays that a stored figure must rest on: nothing that is one patient's is kept."""

FEW = SHARED_BY // 2
MAX_DONORS = 64
"""Of the large counts so many, the largest, are looked at to find those that make up for a small one."""


class ToldTable(NamedTuple):
    """A table of counts as it may be told, and one for each of its axes."""

    counts: Counts
    marginals: tuple[Counts, ...]


def told_table(table: Counts) -> ToldTable:
    """What may be told of a table (C_1, ..., C_K) of numbers of stays, with any number of axes but none.

    Large counts make up for a small one: where it can be, three of them, so that all marginals stay as they are; else
    the one by which they change least. Where none can, the small ones are told as few nevertheless, and the marginals,
    which rest on all of them, as they are.
    """
    small = _is_small(table)
    few = np.zeros_like(table)
    few[small] = _few(table[small])
    balanced = _balanced(table, few, small)
    told = np.where(small, few, balanced)
    if table.ndim == 1:
        return ToldTable(told, (told,))
    sums = (
        balanced.sum(axis=tuple(other for other in range(table.ndim) if other != axis)) for axis in range(table.ndim)
    )
    return ToldTable(told, tuple(told_counts(each) for each in sums))


def told_counts(counts: Counts) -> Counts:
    """What may be told of numbers of stays (C,) that have none in common, such as those of a label's categories."""
    return told_table(counts).counts


def told_number(n_stays: int) -> int:
    """What may be told of a number of stays on its own, or of rows or values, which may be those of a single stay."""
    return FEW if 0 < n_stays < SHARED_BY else n_stays


def told_rate(rate: float, *, n_stays: int) -> float:
    """What may be told of a share of all time steps: in steps of 10 stays."""
    step = (SHARED_BY - 1) / max(n_stays, SHARED_BY - 1)
    return min(1.0, round(round(rate / step) * step, 6))


def told_rows(n_rows: int, *, n_stays: int, sequence_length: int) -> int:
    """What may be told of the rows of a table: those of whole stays, and how many less or more in steps of 10 stays.

    From the exact number followed how many rows a stay has less or more, where few stays are short or cut.
    """
    whole, step = n_stays * sequence_length, (SHARED_BY - 1) * sequence_length
    return max(n_stays, whole + step * round((n_rows - whole) / step))


def _balanced(table: Counts, few: Counts, small: npt.NDArray[np.bool_]) -> Counts:
    """The table with few in the place of each small count for which others can make up, and these changed by that."""
    balanced = table.copy()
    large = np.argwhere(table >= SHARED_BY)
    large = large[np.argsort(-table[tuple(large.T)], kind="stable")][:MAX_DONORS]
    for cell in np.argwhere(small):
        excess = int(few[tuple(cell)] - table[tuple(cell)])
        takers, givers = _exchange(cell, large, balanced, excess) or _giver(cell, large, balanced, table, excess)
        for place, change in (*((taker, excess) for taker in takers), *((giver, -excess) for giver in givers)):
            balanced[place] += change
    return balanced


def _exchange(cell: Counts, large: Counts, balanced: Counts, excess: int) -> tuple[list[Cell], list[Cell]] | None:
    """Who takes and who gives so that no marginal changes: (x, y) and (x', y') take, (x, y') and (x', y) give."""
    for other in large[(large != cell).sum(axis=1) > 1]:
        for axis in np.flatnonzero(other != cell):
            crossed = [np.where(np.arange(len(cell)) == axis, a, b) for a, b in ((cell, other), (other, cell))]
            takers, givers = [tuple(cell), tuple(other)], [tuple(each) for each in crossed]
            if all(balanced[giver] >= SHARED_BY <= balanced[giver] - excess for giver in givers) and (
                balanced[takers[1]] + excess >= SHARED_BY
            ):
                return takers, givers
    return None


def _giver(cell: Counts, large: Counts, balanced: Counts, table: Counts, excess: int) -> tuple[list[Cell], list[Cell]]:
    """The one that bends the marginals least, on top of what others have; nobody takes, where nobody can give."""
    able = large[balanced[tuple(large.T)] - excess >= SHARED_BY]
    if not len(able):
        return [], []
    bend = np.zeros(len(able))
    for axis, at in enumerate(cell):
        drift = (balanced - table).sum(axis=tuple(other for other in range(table.ndim) if other != axis))
        there = drift[able[:, axis]]
        now, then = abs(drift[at]) + np.abs(there), abs(drift[at] + excess) + np.abs(there - excess)
        bend += np.where(able[:, axis] != at, then - now, 0)
    return [tuple(cell)], [tuple(able[bend.argmin()])]


def _few(small: Counts) -> Counts:
    """As what small counts are told: 5 each; where there are many, as many all together as they are, but 2 at least."""
    if len(small) < SHARED_BY:
        return np.full_like(small, FEW)
    total = max(int(small.sum()), 2 * len(small))
    return total // len(small) + (np.arange(len(small)) < total % len(small))


def _is_small(counts: Counts) -> npt.NDArray[np.bool_]:
    return (counts > 0) & (counts < SHARED_BY)
