"""The nearest stays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from model.evaluation.privacy.factors import left_factors, product, right_factors
from model.evaluation.privacy.records import Records, shared_distance, squared_distance
from model.evaluation.space import Codes, Floats, Tick, no_tick

QUERY_BLOCK = 1_024
POOL_BLOCK = 8_192
SPARE = 2  # candidates beyond those wanted: float32 may confuse the order of the last ones


class Neighbours(NamedTuple):
    """The nearest records of each query, nearest first: distance (n, k) float64 and record (n, k), inf and -1: none."""

    distance: Floats
    record: Codes


def nearest(
    queries: Records,
    pool: Records,
    *,
    k: int,
    shared: bool = False,
    query_groups: Codes | None = None,
    pool_groups: Codes | None = None,
    tick: Tick = no_tick,
) -> Neighbours:
    """The `k` records of `pool` nearest to each query; never one of the query's own group, where groups are given.

    By `squared_distance`, or with `shared` by `shared_distance`; the root of it is told.
    One blocked float32 matrix product finds candidates: |a - b|^2 with masks is a sum of products of terms in a and
    terms in b. Their distances are then computed anew in float64, which undoes the cancellation.
    """
    wanted = min(k + SPARE, len(pool))
    distance = np.full((len(queries), k), np.inf)
    index = np.full((len(queries), k), -1, dtype=np.int64)
    if not wanted:
        return Neighbours(distance, index)
    grouped = None if query_groups is None or pool_groups is None else (query_groups, pool_groups)
    candidates = _candidates(queries, pool, wanted, grouped, shared, tick)
    for start in range(0, len(queries), QUERY_BLOCK):
        rows = slice(start, start + QUERY_BLOCK)
        found = _exact(queries.take(rows), pool, candidates[rows], shared=shared)
        distance[rows, : min(k, wanted)] = found.distance[:, :k]
        index[rows, : min(k, wanted)] = found.record[:, :k]
    return Neighbours(distance, index)


def _candidates(
    queries: Records, pool: Records, wanted: int, groups: tuple[Codes, Codes] | None, shared: bool, tick: Tick
) -> Codes:
    """(n, wanted) indices into the pool in no order, -1: none."""
    best = torch.full((len(queries), wanted), torch.inf)
    index = torch.full((len(queries), wanted), -1, dtype=torch.int64)
    for first in range(0, len(pool), POOL_BLOCK):
        part = pool.take(slice(first, first + POOL_BLOCK))
        right = right_factors(part, shared=shared)
        for start in range(0, len(queries), QUERY_BLOCK):
            tick((first + min(POOL_BLOCK, len(pool) - first) * start / len(queries)) / len(pool))
            rows = slice(start, start + QUERY_BLOCK)
            asking = queries.take(rows)
            block = product(left_factors(asking, shared=shared), right)
            if groups is not None:
                i, j = _same(groups[0][rows], groups[1][first : first + POOL_BLOCK])
                block[torch.from_numpy(i), torch.from_numpy(j)] = torch.inf
            values, at = block.topk(min(wanted, block.shape[1]), dim=1, largest=False, sorted=False)
            values, at = torch.cat([best[rows], values], dim=1), torch.cat([index[rows], at + first], dim=1)
            best[rows], kept = values.topk(wanted, dim=1, largest=False, sorted=False)
            index[rows] = at.gather(1, kept)
    index[best.isinf()] = -1
    found: Codes = index.numpy()
    return found


def two_nearest(found: Neighbours, groups: Codes) -> tuple[Floats, Floats, Codes]:
    """Distances to the nearest record and to the nearest one of another group, and the index of the first.

    Where all candidates are of one group, the last of them stands for the second.
    """
    order = np.argsort(found.distance, axis=1, kind="stable")
    distance = np.take_along_axis(found.distance, order, axis=1)
    index = np.take_along_axis(found.record, order, axis=1)
    if not len(groups):
        return distance[:, 0], distance[:, -1], index[:, 0]
    group = np.where(index < 0, -1, groups[np.maximum(index, 0)])
    other = (group != group[:, :1]) & (index >= 0)
    last = np.maximum((index >= 0).sum(axis=1) - 1, 0)
    second = np.where(other.any(axis=1), other.argmax(axis=1), last)
    alone = last == 0
    return distance[:, 0], np.where(alone, np.inf, distance[np.arange(len(distance)), second]), index[:, 0]


def _same(query_groups: Codes, pool_groups: Codes) -> tuple[Codes, Codes]:
    """Rows and columns of the pairs of one group."""
    order = np.argsort(pool_groups, kind="stable")
    ordered = pool_groups[order]
    low, high = np.searchsorted(ordered, query_groups), np.searchsorted(ordered, query_groups, side="right")
    counts = high - low
    rows = np.repeat(np.arange(len(query_groups)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(low, counts) + within]


def _exact(queries: Records, pool: Records, candidates: Codes, *, shared: bool) -> Neighbours:
    """The candidates with their distances in float64, nearest first; equal ones by their index."""
    distance = np.empty(candidates.shape)
    for j in range(candidates.shape[1]):
        found = pool.take(np.maximum(candidates[:, j], 0))
        squared = shared_distance(queries, found) if shared else squared_distance(queries, found)
        distance[:, j] = np.where(candidates[:, j] < 0, np.inf, np.sqrt(squared))
    order = np.lexsort((candidates, distance), axis=1)
    return Neighbours(np.take_along_axis(distance, order, axis=1), np.take_along_axis(candidates, order, axis=1))
