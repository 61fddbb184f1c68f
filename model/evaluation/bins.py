"""The bins in which values of real and synthetic stays are counted: round, and full enough to be shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.space import Bools, Codes, Floats, Inputs

N_BINS = 40
ENOUGH = 10 * MIN_STAYS  # with values: of fewer, a holdout would make the bins too coarse, and is not told


def shared_edges(sides: list[Inputs]) -> tuple[float, ...]:
    """Edges of about 40 bins for training and holdout values (n, L), each bin with 11 stays or more of either.

    Bins have a round width (1, 2 or 5 times a power of ten) and reach from the 0.5 % to the 99.5 % quantile of the
    training values; neighbours are merged where they hold too few stays. Where most values are rounded (to whole
    numbers, to tenths), the edges lie half way between two of them: real values are then inside of bins, and
    synthetic ones that are not rounded fall to the same bin. No values: no edges.
    """
    sides = [side for side in sides if _stays_with_values(side) >= ENOUGH] or sides[:1]
    values = sides[0][~np.isnan(sides[0])].astype(np.float64)
    if not len(values) or _stays_with_values(sides[0]) < MIN_STAYS:
        return ()
    low, high = np.quantile(values, [0.005, 0.995]).tolist()
    edges = _round_edges(low, high, resolution=_resolution(values))
    kept = full_bins([stays_by_bin(side, edges) for side in sides])
    return tuple(edges[kept].tolist())


def full_bins(seen: Sequence[Bools], *, or_empty: bool = False) -> Codes:
    """(k,) which of B + 1 edges to keep so that every bin between them holds 11 stays or more of each group.

    `seen` are the groups, (n, B) True where a stay has a value in a bin; `or_empty`: or none of a group. Where that
    cannot be, the first and the last edge are left.
    """
    n_bins = seen[0].shape[1]
    kept, start = [0], 0
    for end in range(1, n_bins + 1):
        if _is_full(seen, start, end, or_empty=or_empty):
            kept.append(end)
            start = end
    while len(kept) > 1 and not (kept[-1] == n_bins or _is_full(seen, kept[-2], n_bins, or_empty=or_empty)):
        kept.pop()  # too few stays left at the upper end: they join the last bin, or the last ones
    return np.array([*(kept[:-1] or [0]), n_bins])


def _is_full(seen: Sequence[Bools], start: int, end: int, *, or_empty: bool) -> bool:
    """Whether the bins from `start` to before `end` hold, together, 11 stays or more of each group."""
    held = [int(group[:, start:end].any(axis=1).sum()) for group in seen]
    return all(n >= MIN_STAYS or (or_empty and n == 0) for n in held)


def _resolution(values: Floats) -> float:
    """The largest power of ten (100 to 0.001) that 80 % of the values are multiples of; 0 if there is none."""
    for power in range(2, -4, -1):
        steps = values / 10.0**power
        if (np.abs(steps - np.round(steps)) < 1e-3).mean() >= 0.8:
            return float(10.0**power)
    return 0.0


def _round_edges(low: float, high: float, *, resolution: float) -> Floats:
    rough = max((high - low) / N_BINS, resolution)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        half = max(abs(low), 1.0) / 20
        return np.array([low - half, low + half])
    power = 10.0 ** np.floor(np.log10(rough))
    width = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    offset = resolution / 2
    first, last = np.floor((low + offset) / width), np.floor((high + offset) / width) + 1
    edges: Floats = np.round(np.arange(first, last + 1) * width - offset, 12)
    return edges


def bins_of(values: Inputs, edges: Floats) -> Codes:
    """(n, L) bin of each value, the outermost ones for values beyond; -1 where there is no value."""
    index = np.searchsorted(edges[1:-1], values, side="right").astype(np.int64)
    return np.where(np.isnan(values), -1, index)


def stays_by_bin(values: Inputs, edges: Floats) -> Bools:
    """(n, B) True where a stay has a value in a bin."""
    n_bins = len(edges) - 1
    seen = np.zeros((len(values), n_bins + 1), dtype=bool)
    np.put_along_axis(seen, bins_of(values, edges) % (n_bins + 1), True, axis=1)
    return seen[:, :n_bins]


def _stays_with_values(values: Inputs) -> int:
    return int((~np.isnan(values)).any(axis=1).sum())
