"""Whole numbers of stays from shares: what a cohort gets of each category that its request fixes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.spec.ratios import LabelRatios, Stratum, fixed_marginals
from model.spec.schema import Schema

Counts = npt.NDArray[np.int64]
Table = npt.NDArray[np.float64]


def largest_remainder(ratios: Table, n: int) -> Counts:
    """Integers in proportion to `ratios` that add up to n (Hamilton's method); ties go to the first."""
    shares = n * ratios / (ratios.sum() or 1)
    # 0.3 * 2000 is 600 to a person, whatever the last bit says
    counts: Counts = np.floor(shares + 1e-9).astype(np.int64)
    order = np.argsort(-(shares - counts).ravel(), kind="stable")
    np.put(counts, order[: n - counts.sum()], counts.ravel()[order[: n - counts.sum()]] + 1)
    return counts


def strata_table(schema: Schema, strata: tuple[Stratum, ...], axes: tuple[int, ...]) -> Table:
    """The share of each combination of the labels at `axes`, of which the schema's order is kept."""
    labels = [schema.labels[axis] for axis in axes]
    table = np.zeros([len(label.categories) for label in labels])
    for stratum in strata:
        table[tuple(label.categories.index(stratum.labels[label.name]) for label in labels)] = stratum.ratio
    return table


def fixed_label_counts(ratios: LabelRatios | None, schema: Schema, n_stays: int) -> dict[str, dict[str, int]]:
    """Label -> category -> stays, of the labels that valid `ratios` fix: what a cohort of `n_stays` will have of each.

    The labels left free are not in it: how many stays each of their categories gets depends on the training data.
    """
    if ratios is None:
        return {}
    if not isinstance(ratios, tuple):
        marginals = fixed_marginals(ratios, schema)
        counts = {name: largest_remainder(np.array([*shares.values()]), n_stays) for name, shares in marginals.items()}
        return {name: dict(zip(marginals[name], map(int, counts[name]), strict=True)) for name in marginals}
    axes = _axes(ratios, schema)
    table = largest_remainder(strata_table(schema, ratios, axes), n_stays)
    sums = [table.sum(axis=tuple(other for other in range(len(axes)) if other != k)) for k in range(len(axes))]
    labels = [schema.labels[axis] for axis in axes]
    return {
        label.name: dict(zip(label.categories, map(int, total), strict=True))
        for label, total in zip(labels, sums, strict=True)
    }


def stratum_counts(strata: tuple[Stratum, ...], schema: Schema, n_stays: int) -> list[int]:
    """Stays of each of these strata, in their order."""
    axes = _axes(strata, schema)
    table = largest_remainder(strata_table(schema, strata, axes), n_stays)
    labels = [schema.labels[axis] for axis in axes]
    cells = [tuple(label.categories.index(stratum.labels[label.name]) for label in labels) for stratum in strata]
    return [int(table[cell]) for cell in cells]


def _axes(strata: tuple[Stratum, ...], schema: Schema) -> tuple[int, ...]:
    return tuple(axis for axis, label in enumerate(schema.labels) if label.name in strata[0].labels)
