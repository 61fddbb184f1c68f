"""What marginal and temporal figures need to know of a table: a few small arrays, with or without the table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from model.evaluation.disclosure import MIN_STAYS, is_small, safe_shares, stays_per_cell
from model.evaluation.fidelity import correlation, correlation_mae, frequencies, total_variation
from model.evaluation.missingness import co_missing, co_missing_mae, marks
from model.evaluation.space import Codes, Floats, Table
from model.evaluation.temporal import (
    FLAT,
    acf,
    acf_mse,
    centred_courses,
    transition_counts,
    transition_distance,
    transition_matrix,
    transition_pairs,
)
from model.spec.report import MetricName

AGGREGATE_METRICS: tuple[MetricName, ...] = (
    "total_variation",
    "correlation_mae",
    "transition_distance",
    "acf_mse",
    "co_missingness",
)


class Aggregates(NamedTuple):
    """Frequencies (C,) and transition matrices (C, C) by channel name, correlations (M, M), autocorrelations (M, K).

    `co_missing` are the phi coefficients (F, F) of the features that can be missing. NaN is unknown: too few stays to
    be told; and for what is constant within a stay, which has no transitions and no autocorrelation.
    """

    frequencies: dict[str, Floats]
    transitions: dict[str, Floats]
    correlation: Floats
    acf: Floats
    co_missing: Floats


def aggregate(table: Table) -> Aggregates:
    """Exact aggregates of a synthetic table; of fewer than 11 stays nothing is told: NaN."""
    exact = _exact(table)
    if len(table) >= MIN_STAYS:
        return exact
    return Aggregates(
        frequencies={name: np.full_like(shares, np.nan) for name, shares in exact.frequencies.items()},
        transitions={name: np.full_like(matrix, np.nan) for name, matrix in exact.transitions.items()},
        correlation=np.full_like(exact.correlation, np.nan),
        acf=np.full_like(exact.acf, np.nan),
        co_missing=np.full_like(exact.co_missing, np.nan, dtype=np.float64),
    )


def _exact(table: Table) -> Aggregates:
    columns = [(c.name, table.categorical[:, :, j], len(c.categories)) for j, c in enumerate(table.channels)]
    found = Aggregates(
        frequencies={name: frequencies(codes, size) for name, codes, size in columns},
        transitions={name: transition_matrix(codes, size) for name, codes, size in columns},
        correlation=correlation(table.numerical, table.inside),
        acf=acf(table.numerical, table.inside),
        co_missing=co_missing(marks(table)[1], table.inside, real=False),
    )
    return _without_static(found, table)


def _without_static(found: Aggregates, table: Table) -> Aggregates:
    """A constant resembles itself in every table: counted among the courses, it would make their distance smaller."""
    still = {channel.name for channel in table.channels if channel.static}
    matrices = found.transitions.items()
    return found._replace(
        transitions={name: np.full_like(matrix, np.nan) if name in still else matrix for name, matrix in matrices},
        acf=np.where(table.static[:, None], np.nan, found.acf),
    )


def aggregate_real(table: Table) -> Aggregates:
    """Aggregates of a real table that is at hand: exact, but for the correlations that a report may not tell."""
    exact = _exact(table)
    told = co_missing(marks(table)[1], table.inside, real=True)
    together = np.where(np.isnan(told), np.nan, exact.co_missing)
    return exact._replace(correlation=_safe_correlation(exact.correlation, table), co_missing=together)


def compare(name: MetricName, a: Aggregates, b: Aggregates) -> float:
    """The marginal or temporal figure `name` between two tables, over the channels that both have."""
    channels = [channel for channel in a.frequencies if channel in b.frequencies]
    if name == "total_variation":
        return total_variation([a.frequencies[c] for c in channels], [b.frequencies[c] for c in channels])
    if name == "transition_distance":
        return transition_distance([a.transitions[c] for c in channels], [b.transitions[c] for c in channels])
    if name == "correlation_mae":
        return correlation_mae(a.correlation, b.correlation)
    if name == "co_missingness":
        return co_missing_mae(a.co_missing, b.co_missing)
    assert name == "acf_mse"
    return acf_mse(a.acf, b.acf)


def safe_aggregates(table: Table) -> Aggregates:
    """Aggregates of a real table that may be kept without it: nothing rests on fewer than 11 stays."""
    return told_of(aggregate_real(table), table)


def told_of(real: Aggregates, table: Table) -> Aggregates:
    """What may be told of the aggregates (`aggregate_real`) of a table."""
    columns = [(c.name, table.categorical[:, :, j], len(c.categories)) for j, c in enumerate(table.channels)]
    told = Aggregates(
        frequencies={name: _safe_frequencies(codes, size) for name, codes, size in columns},
        transitions={name: _safe_transitions(codes, size) for name, codes, size in columns},
        correlation=real.correlation,
        acf=_safe_acf(real.acf, table),
        co_missing=co_missing(marks(table)[1], table.inside, real=True),
    )
    return _without_static(told, table)


def _safe_frequencies(codes: Codes, n_categories: int) -> Floats:
    counts = np.bincount(codes[codes >= 0], minlength=n_categories).astype(np.float64)
    shares = safe_shares(counts, stays_per_cell(codes, n_categories), total=len(codes))
    return shares if shares.any() else np.full(n_categories, np.nan)


def _safe_transitions(codes: Codes, n_categories: int) -> Floats:
    """Rows of zeros for a category never left, rows of NaN where too few stays leave it."""
    counts = transition_counts(codes, n_categories)
    pairs = transition_pairs(codes, n_categories)
    stays = stays_per_cell(pairs, n_categories**2).reshape(n_categories, n_categories)
    rows = [safe_shares(row, n, total=len(codes)) for row, n in zip(counts, stays, strict=True)]
    untold = [bool(is_small(n).any()) and not row.any() for row, n in zip(rows, stays, strict=True)]
    return np.where(np.array(untold)[:, None], np.nan, np.stack(rows))


def _safe_correlation(exact: Floats, table: Table) -> Floats:
    """NaN for pairs of features that fewer than 11 stays have both measured."""
    measured = table.measured.astype(np.float64)
    return np.where(measured.T @ measured >= MIN_STAYS, exact, np.nan)


def _safe_acf(exact: Floats, table: Table) -> Floats:
    """NaN for features that vary in 1 to 10 stays; of a table of fewer than 11 stays, for all."""
    steps = table.n_steps if table.inside is None else table.inside.sum(axis=1)
    columns = [centred_courses(table.numerical[:, :, j], table.inside) for j in range(len(exact))]
    varying = np.array([((one**2).sum(axis=1) > FLAT**2 * steps).sum() for one in columns], dtype=np.int64)
    told = ~is_small(varying) & (len(table) >= MIN_STAYS)
    return np.where(told[:, None], exact, np.nan)
