"""A feature in the stays of each category of a label: told side by side, so that none can be worked out from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.data.stays import MISSING_CATEGORY, Stays
from model.evaluation.bins import bins_of, full_bins, stays_by_bin
from model.evaluation.disclosure import MIN_STAYS, is_small, safe_rates, safe_shares, stays_per_cell
from model.evaluation.distributions import categorical, distance, mean_rate, numerical, told_rates
from model.evaluation.space import Bools, Codes, Floats, Inputs
from model.spec.figures import Conditional, Distribution, FeatureReport
from model.spec.schema import Label, Schema

MAX_CATEGORIES = 6
MIN_EDGES = 8
MANY_STAYS = 500  # of which 10 are so few that shares can be rounded to them
TAILS = ("0.1", "99.9")  # not told of single categories: beside those of all stays, they would say too much


class Part(NamedTuple):
    """The stays of one category of a label: its name, and True where a stay has it."""

    label: str
    category: str
    members: Bools


class Together(NamedTuple):
    """All categories of a label in common bins: exact, and as they may be told; None where they may not."""

    edges: tuple[float, ...]
    exact: list[Distribution | None]
    told: list[Distribution | None]


def shown_labels(schema: Schema) -> list[tuple[int, Label]]:
    """The labels by whose categories stays are told apart, with their columns: those of at most 6 categories."""
    return [(k, label) for k, label in enumerate(schema.labels) if len(label.categories) <= MAX_CATEGORIES]


def parts_of(stays: Stays, schema: Schema) -> list[list[Part]]:
    """The stays of each category, label by label."""
    return [
        [Part(label.name, category, stays.labels[:, k] == code) for code, category in enumerate(label.categories)]
        for k, label in shown_labels(schema)
    ]


def real_conditionals(
    feature: FeatureReport, column: int, train: Stays, holdout: Stays | None, *, schema: Schema
) -> tuple[Conditional, ...]:
    """What may be told of a feature's training stays by label, and how far the holdout's are from them."""
    found: list[Conditional] = []
    asides = None if holdout is None else parts_of(holdout, schema)
    for k, parts in enumerate(parts_of(train, schema)):
        together = _told_together(feature, _values(feature, column, train), train.inside, parts)
        for c, part in enumerate(parts):
            one = Conditional(label=part.label, category=part.category, n_synthetic=0, edges=together.edges)
            away = None
            if holdout is not None and asides is not None:
                members = asides[k][c].members
                values = _values(feature, column, holdout)[members]
                aside = _described(feature, values, holdout.inside[members], together.edges)
                away = _distance(feature, aside, together.exact[c])
            found.append(one.model_copy(update={"training": together.told[c], "holdout_distance": away}))
    return tuple(found)


def with_synthetic_parts(
    feature: FeatureReport, column: int, synthetic: Stays, *, schema: Schema
) -> tuple[Conditional, ...]:
    """The feature's `by_label` with the synthetic stays; where nothing is known of real ones, in the feature's bins."""
    known = {(one.label, one.category): one for one in feature.by_label}
    values, inside, found = _values(feature, column, synthetic), synthetic.inside, []
    for part in [part for parts in parts_of(synthetic, schema) for part in parts]:
        new = Conditional(label=part.label, category=part.category, n_synthetic=0, edges=feature.edges)
        one = known.get((part.label, part.category), new)
        told = _described(feature, values[part.members], inside[part.members], one.edges)
        away = _distance(feature, told, one.training)
        update = {"n_synthetic": int(part.members.sum()), "synthetic": told, "distance": away}
        found.append(one.model_copy(update=update))
    return tuple(found)


def _told_together(feature: FeatureReport, values: Inputs | Codes, inside: Bools, parts: list[Part]) -> Together:
    """Nothing of a label with a category in which 1 to 10 stays have values: the others would give them away."""
    with_values = np.array([_observed(values[part.members]).any(axis=1).sum() for part in parts])
    nothing: list[Distribution | None] = [None] * len(parts)
    if is_small(with_values).any() or not with_values.any() or (feature.type == "numerical" and not feature.edges):
        return Together(feature.edges, nothing, nothing)
    edges = _common_edges(np.array(feature.edges), values, parts) if feature.type == "numerical" else ()
    exact = [_described(feature, values[part.members], inside[part.members], edges) for part in parts]
    cells = bins_of(values.astype(np.float32), np.array(edges)) if edges else values.astype(np.int64)
    shares = _safe_parts(cells, len(edges) - 1 if edges else len(feature.categories), parts)
    missing = _safe_missing(_observed(values), inside, parts)
    told = [
        _as_told(
            _described(feature, values[part.members], inside[part.members], edges, real=True),
            shares[c],
            missing[c],
            inside[part.members],
        )
        for c, part in enumerate(parts)
    ]
    return Together(edges, exact, told)


def _common_edges(edges: Floats, values: Inputs | Codes, parts: list[Part]) -> tuple[float, ...]:
    """Bins in which no category has 1 to 10 stays; where that would blur too much, all bins, with rounded shares."""
    seen = stays_by_bin(values.astype(np.float32), edges)
    kept = edges[full_bins([seen[part.members] for part in parts], or_empty=True)]
    many = all(part.members.sum() >= MANY_STAYS for part in parts)
    blurred = many and len(kept) < min(len(edges), MIN_EDGES)
    return tuple((edges if blurred else kept).tolist())


def _safe_parts(cells: Codes, n_cells: int, parts: list[Part]) -> list[Floats]:
    """Shares of each part; all are rounded where a cell of one is small: with the whole, they would give it away."""
    stays = [stays_per_cell(cells[part.members], n_cells) for part in parts]
    rounded = any(bool(is_small(one).any()) for one in stays)
    shares = []
    for part, n_stays in zip(parts, stays, strict=True):
        inside = cells[part.members]
        counts = np.bincount(inside[inside >= 0], minlength=n_cells).astype(np.float64)
        shares.append(safe_shares(counts, n_stays, total=max(len(inside), 1), rounded=rounded))
    return shares


def _safe_missing(observed: Bools, inside: Bools, parts: list[Part]) -> list[Floats]:
    """(L,) missing rates of each part; at a step where one would rest on few stays, all have that of all stays.

    NaN where fewer than 11 stays of a part last until then.
    """
    missing = ~observed & inside
    hits = np.array([missing[part.members].sum(axis=0) for part in parts])
    totals = np.array([inside[part.members].sum(axis=0) for part in parts])
    few = (is_small(hits) | is_small(totals - hits)).any(axis=0)
    whole = safe_rates(missing.sum(axis=0), total=inside.sum(axis=0))
    rates: Floats = np.where(few, whole, hits / np.maximum(totals, 1))
    return list(np.where(totals < MIN_STAYS, np.nan, rates))


def _as_told(told: Distribution | None, shares: Floats, missing: Floats, inside: Bools) -> Distribution | None:
    if told is None or not shares.any():
        return None
    rate = mean_rate(missing, inside)
    return told.model_copy(
        update={
            "n_values": max(1, round((1 - rate) * int(inside.sum()))),
            "shares": tuple(shares.tolist()),
            "quantiles": {name: cut for name, cut in told.quantiles.items() if name not in TAILS},
            "missing_rate": rate,
            "missing_by_step": told_rates(missing),
            "missing_runs": (),
        }
    )


def _values(feature: FeatureReport, column: int, stays: Stays) -> Inputs | Codes:
    return stays.numerical[:, :, column] if feature.type == "numerical" else stays.categorical[:, :, column]


def _observed(values: Inputs | Codes) -> Bools:
    return ~np.isnan(values) if values.dtype.kind == "f" else values != MISSING_CATEGORY


def _described(
    feature: FeatureReport, values: Inputs | Codes, inside: Bools, edges: Sequence[float], *, real: bool = False
) -> Distribution | None:
    """None where fewer than 11 stays have a value."""
    if _observed(values).any(axis=1).sum() < MIN_STAYS:
        return None
    if feature.type == "numerical":
        return numerical(values.astype(np.float32), np.array(edges), inside, real=real)
    return categorical(values.astype(np.int64), len(feature.categories), inside, real=real)


def _distance(feature: FeatureReport, subject: Distribution | None, training: Distribution | None) -> float | None:
    return None if subject is None else distance(feature, subject, training)
