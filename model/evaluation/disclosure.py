"""What may be told of real stays: nothing that rests on fewer than 11 of them.

A cell of 1 to 10 stays is told as none. So that it cannot be worked out from the others, these are then shares of
what remains, and rounded to steps of 10 stays.
"""

from __future__ import annotations

import numpy as np

from model.data.small_cells import SHARED_BY
from model.evaluation.space import Bools, Codes, Floats

MIN_STAYS = SHARED_BY
CELLS_AT_ONCE = 2**26


def is_small(n_stays: Codes) -> Bools:
    """True where a number of stays is 1 to 10."""
    return (n_stays > 0) & (n_stays < MIN_STAYS)


def safe_shares(counts: Floats, n_stays: Codes, *, total: int, rounded: bool = False) -> Floats:
    """Shares of `counts` (C,), cells that `n_stays` (C,) calls small told as 0; all 0 where no cell is left.

    `total` is the number of stays in the table. `rounded`: to steps of 10 stays, also where no cell is small; for
    shares that are told beside others, whose small cells could be worked out from them.
    """
    small = is_small(n_stays)
    kept = np.where(small, 0.0, counts)
    shares: Floats = kept / max(kept.sum(), 1)
    if not (small.any() or rounded) or not kept.any():
        return shares
    step = (MIN_STAYS - 1) / total
    steps: Floats = np.round(shares / step) * step
    told: Floats = steps / max(steps.sum(), step)
    return told


def safe_rates(hits: Codes, *, total: int | Codes) -> Floats:
    """`hits / total`, told as 0 or 1 where fewer than 11 stays make the difference; 0 of fewer than 11 stays."""
    clear_of_zero = np.where(hits < MIN_STAYS, 0, hits)
    clear_of_both = np.where(total - clear_of_zero < MIN_STAYS, total, clear_of_zero)
    rates: Floats = np.where(np.asarray(total) >= MIN_STAYS, clear_of_both / np.maximum(total, 1), 0.0)
    return rates


def stays_per_cell(cells: Codes, n_cells: int) -> Codes:
    """(n_cells,) how many stays have each cell at least once; `cells` (n, L) are indices, -1 = none."""
    out = np.zeros(n_cells, dtype=np.int64)
    chunk = max(1, CELLS_AT_ONCE // (n_cells + 1))
    for start in range(0, len(cells), chunk):
        part = cells[start : start + chunk]
        seen = np.zeros((len(part), n_cells + 1), dtype=bool)
        np.put_along_axis(seen, part % (n_cells + 1), True, axis=1)  # -1 lands in the last column
        out += seen[:, :n_cells].sum(axis=0)
    return out
