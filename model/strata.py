"""How many stays of each combination of labels: exact counts from ratios, the rest as in the training data."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_array, eye_array, hstack, vstack

from model.apportionment import Counts, Table, largest_remainder, strata_table
from model.spec.errors import RatioError
from model.spec.ratios import LabelRatios, check_ratios, fixed_marginals
from model.spec.schema import Schema

UNSEEN = 1e-9  # mass of a combination that training never showed, so that it can be asked for
MAX_CELLS = 100_000


@dataclass(frozen=True)
class LabelPlan:
    """The labels of a cohort: `codes` (n, K) in a shuffled order, and what its reader should be warned of."""

    codes: Counts
    warnings: tuple[str, ...]


def label_joint(codes: Counts, schema: Schema) -> Counts:
    """(C_1, ..., C_K) number of stays with each combination of labels, from (n, K) codes."""
    table = np.zeros(tuple(len(label.categories) for label in schema.labels), dtype=np.int64)
    np.add.at(table, tuple(codes.T), 1)
    return table


def plan_labels(
    schema: Schema, joint: npt.ArrayLike, *, n_stays: int, ratios: LabelRatios | None, seed: int
) -> LabelPlan:
    """Labels of `n_stays` stays that have exactly the `ratios` asked for; RatioError if the schema cannot have them.

    `joint` (C_1, ..., C_K) holds the training counts. Labels that the ratios leave free follow them, given the fixed
    ones. Integers by largest remainder; where several marginals are fixed, a whole table near to the raked one.
    """
    check_ratios(ratios, schema)
    seen = np.asarray(joint, dtype=np.float64)
    if seen.size > MAX_CELLS:
        raise RatioError(f"the labels have {seen.size} combinations; at most {MAX_CELLS} can be planned")
    axes, fixed = _fixed_counts(schema, seen + UNSEEN * max(seen.sum(), 1), n_stays=n_stays, ratios=ratios)
    counts = _spread_over_free_labels(seen, fixed, axes)
    codes = np.repeat(np.argwhere(np.ones_like(counts)), counts.ravel(), axis=0)
    shuffled = codes[np.random.default_rng(seed).permutation(n_stays)].reshape(n_stays, seen.ndim)
    return LabelPlan(codes=shuffled, warnings=_warnings(schema, seen, counts))


def _fixed_counts(
    schema: Schema, seen: Table, *, n_stays: int, ratios: LabelRatios | None
) -> tuple[tuple[int, ...], Counts]:
    """The axes of the labels that are fixed, and the integer table over them."""
    names = [label.name for label in schema.labels]
    if ratios is None:
        return (), np.array(n_stays)
    if isinstance(ratios, tuple):
        axes = tuple(sorted(names.index(name) for name in ratios[0].labels))
        return axes, largest_remainder(strata_table(schema, ratios, axes), n_stays)
    marginals = fixed_marginals(ratios, schema)
    axes = tuple(sorted(names.index(name) for name in marginals))
    targets = [np.array([*marginals[names[axis]].values()]) for axis in axes]
    free = tuple(axis for axis in range(seen.ndim) if axis not in axes)
    return axes, _round_table(rake(seen.sum(axis=free), targets), targets, n_stays)


def rake(table: Table, marginals: list[Table], *, tolerance: float = 1e-10, max_sweeps: int = 1000) -> Table:
    """Iterative proportional fitting (Deming & Stephan 1940): the table nearest to `table` with these marginals.

    `marginals[k]` (C_k,) sums to 1 and belongs to axis k. Associations (odds ratios) of `table` are kept.
    """
    fitted: Table = table / table.sum()
    for _ in range(max_sweeps):
        for axis, target in enumerate(marginals):
            others = tuple(other for other in range(table.ndim) if other != axis)
            fitted = fitted * _along(target / np.maximum(fitted.sum(axis=others), 1e-300), axis, table.ndim)
        if _worst_marginal(fitted, marginals) < tolerance:
            break
    return fitted


def _along(values: Table, axis: int, ndim: int) -> Table:
    shaped: Table = values.reshape([-1 if axis == other else 1 for other in range(ndim)])
    return shaped


def _worst_marginal(table: Table, marginals: list[Table]) -> float:
    sums = (table.sum(axis=tuple(o for o in range(table.ndim) if o != axis)) for axis in range(table.ndim))
    return max(float(abs(have - want).max()) for have, want in zip(sums, marginals, strict=True))


def _round_table(table: Table, marginals: list[Table], n: int) -> Counts:
    """Integers near `n * table` whose marginals are the largest-remainder counts, exactly.

    Every cell is rounded up or down where that can be (controlled rounding, Cox 1987); else, where the raked table
    could not reach its marginals, the cells move as little as possible in sum. Integer tables with given one-way
    marginals always exist.
    """
    if table.ndim == 1:
        return largest_remainder(marginals[0], n)
    shares = n * table
    members, wanted = _marginal_sums(table.shape, [largest_remainder(marginal, n) for marginal in marginals])
    floor = np.floor(shares + 1e-9)
    up = _solve(1 - 2 * (shares - floor).ravel(), members, wanted - members @ floor.ravel(), upper=1.0)
    if up is not None:
        return (floor + up.reshape(shares.shape)).astype(np.int64)
    return _least_moved(shares, members, wanted)


def _marginal_sums(shape: tuple[int, ...], marginals: list[Counts]) -> tuple[csr_array, Table]:
    """A matrix that takes a flattened table to all its one-way marginals, and the sums that are wanted."""
    cells = np.indices(shape).reshape(len(shape), -1)
    blocks = [
        csr_array((np.ones(cells.shape[1]), (cells[axis], np.arange(cells.shape[1]))), shape=(size, cells.shape[1]))
        for axis, size in enumerate(shape)
    ]
    return vstack(blocks, format="csr"), np.concatenate(marginals).astype(np.float64)


def _least_moved(shares: Table, members: csr_array, wanted: Table) -> Counts:
    """Integers with the wanted marginals and the least sum of distances to `shares`: share = count + over - under."""
    size = shares.size
    unit = eye_array(size, format="csr")
    sums = hstack([members, csr_array((members.shape[0], 2 * size))], format="csr")
    balance = hstack([unit, unit, -unit], format="csr")
    cost = np.concatenate([np.zeros(size), np.ones(2 * size)])
    integers = np.concatenate([np.ones(size), np.zeros(2 * size)])
    rows, totals = vstack([sums, balance], format="csr"), np.concatenate([wanted, shares.ravel()])
    solution = _solve(cost, rows, totals, upper=np.inf, integers=integers)
    assert solution is not None, "no table has these marginals"
    counts: Counts = solution[:size].reshape(shares.shape).astype(np.int64)
    return counts


def _solve(cost: Table, rows: csr_array, totals: Table, *, upper: float, integers: Table | None = None) -> Table | None:
    """Whole x in [0, upper] of least cost with rows @ x = totals; None if there is none."""
    kind = np.ones(len(cost)) if integers is None else integers
    found = milp(cost, integrality=kind, bounds=(0, upper), constraints=LinearConstraint(rows, totals, totals))
    if found.x is None:
        return None
    x: Table = np.where(kind == 1, np.round(found.x), found.x)
    return x


def _spread_over_free_labels(seen: Table, fixed: Counts, axes: tuple[int, ...]) -> Counts:
    """(C_1, ..., C_K) counts: each cell of the fixed labels divided as training divides it over the free ones.

    What rounding takes from a free category in one cell is carried to the next, so that a rare one is not lost in
    every cell.
    """
    counts = np.zeros(seen.shape, dtype=np.int64)
    free = tuple(axis for axis in range(seen.ndim) if axis not in axes)
    everywhere = seen.sum(axis=axes) if seen.sum() else np.ones([seen.shape[axis] for axis in free])
    carried = np.zeros([seen.shape[axis] for axis in free])
    for cell in itertools.product(*(range(size) for size in fixed.shape)):
        at: list[int | slice] = [slice(None)] * seen.ndim
        for axis, category in zip(axes, cell, strict=True):
            at[axis] = category
        conditional = np.asarray(seen[tuple(at)] if seen[tuple(at)].sum() else everywhere, dtype=np.float64)
        wanted = fixed[cell] * conditional / conditional.sum() + carried
        ratios = np.maximum(wanted, 0) * (conditional > 0)
        given = largest_remainder(ratios if ratios.any() else conditional, int(fixed[cell]))
        counts[tuple(at)], carried = given, wanted - given
    return counts


def _warnings(schema: Schema, seen: Table, counts: Counts) -> tuple[str, ...]:
    unseen = np.argwhere((seen == 0) & (counts > 0))
    return tuple(_warning(schema, cell, int(counts[tuple(cell)])) for cell in unseen)


def _warning(schema: Schema, cell: Counts, count: int) -> str:
    named = ", ".join(f"{label.name}={label.categories[code]}" for label, code in zip(schema.labels, cell, strict=True))
    return f"{count} stays were asked for with labels that training never showed together: {named}"


def count_labels(codes: Counts, schema: Schema) -> Mapping[str, dict[str, int]]:
    """Label -> category -> number of stays, from (n, K) codes."""
    return {
        label.name: {category: int((codes[:, k] == code).sum()) for code, category in enumerate(label.categories)}
        for k, label in enumerate(schema.labels)
    }
