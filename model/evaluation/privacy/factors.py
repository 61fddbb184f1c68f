"""Distances as matrix products: with masks, |a - b|^2 is a sum of products of terms in a and terms in b."""

from __future__ import annotations

import numpy as np
import torch

from model.evaluation.privacy.records import MISMATCH, PRIOR, UNRELATED, Records
from model.evaluation.space import Inputs

Factors = tuple[Inputs, ...]


def left_factors(queries: Records, *, shared: bool) -> Factors:
    """(n, W) each: the queries' factor; with `shared`, then the one that counts shared entries."""
    return _shared_left(queries) if shared else (_left(queries),)


def right_factors(pool: Records, *, shared: bool) -> Factors:
    """(N, W) each: the pool's factors."""
    return _shared_right(pool) if shared else (_right(pool),)


def product(left: Factors, right: Factors) -> torch.Tensor:
    """(n, N) squared distances, but for what is constant for a query; a second pair counts the shared entries."""
    products = [torch.from_numpy(a) @ torch.from_numpy(b).T for a, b in zip(left, right, strict=True)]
    if len(products) == 1:
        return products[0]
    return products[0].add_(PRIOR * UNRELATED).div_(products[1].add_(PRIOR))


def _left(records: Records) -> Inputs:
    """(n, W) the queries' factor; without what is constant for a query and changes no order."""
    n = len(records)
    values = records.values.reshape(n, -1)
    measured = records.measured.reshape(n, -1).astype(np.float32)
    parts = [values, values**2, measured, *_one_hot(records), np.ones((n, 1), dtype=np.float32)]
    return np.concatenate(parts, axis=1)


def _right(records: Records) -> Inputs:
    """(n, W) the pool's factor."""
    n = len(records)
    values = records.values.reshape(n, -1)
    measured = records.measured.reshape(n, -1).astype(np.float32)
    hot = [np.float32(-MISMATCH) * part for part in _one_hot(records)]
    constant = np.float32(MISMATCH) * measured.sum(axis=1, keepdims=True)
    parts = [-2 * values, measured, values**2 - np.float32(2 * MISMATCH) * measured, *hot, constant]
    return np.concatenate(parts, axis=1)


def _shared_left(records: Records) -> tuple[Inputs, Inputs]:
    n = len(records)
    values, known = records.values.reshape(n, -1), _known(records)
    measured = known[:, : values.shape[1]]
    hot = _one_hot(records, with_missing=False)
    return np.concatenate([values, values**2, measured, known[:, values.shape[1] :], *hot], axis=1), known


def _shared_right(records: Records) -> tuple[Inputs, Inputs]:
    n = len(records)
    values, known = records.values.reshape(n, -1), _known(records)
    measured, present = known[:, : values.shape[1]], np.float32(MISMATCH) * known[:, values.shape[1] :]
    hot = [np.float32(-MISMATCH) * part for part in _one_hot(records, with_missing=False)]
    return np.concatenate([-2 * values, measured, values**2, present, *hot], axis=1), known


def _known(records: Records) -> Inputs:
    """(n, L * (M + C)) which entries are measured, or have a category."""
    n = len(records)
    return np.concatenate([records.measured.reshape(n, -1), records.present.reshape(n, -1)], axis=1).astype(np.float32)


def _one_hot(records: Records, *, with_missing: bool = True) -> list[Inputs]:
    n, parts = len(records), []
    for j, size in enumerate(records.sizes):
        wanted = np.arange(size if with_missing else size - 1, dtype=np.int16)
        parts.append((records.codes[:, :, j, None] == wanted).reshape(n, -1).astype(np.float32))
    return parts
