"""Whole stays on a map: the first two principal components of the training stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from sklearn.decomposition import PCA

from model.evaluation.disclosure import MIN_STAYS, is_small
from model.evaluation.matrices import from_matrix, to_matrix
from model.evaluation.space import Floats, Inputs, Table, flat
from model.spec.base import Spec
from model.spec.figures import Matrix, Projection

FITTED_STAYS = 5_000
FEWEST = 10 * MIN_STAYS
CHUNK = 4_096  # stays at once; so few that `flat` takes the same steps of each
LIMIT = 4.0  # a stay is placed by what it has in common with others: one wild value may not draw an axis
CENTRAL = 0.005  # of the training stays lie beyond the map, on each side
STAYS_PER_CELL = 12


class Map(Spec):
    """Where stays are placed: the training stays' mean (D,), two directions (2, D), a grid, and their shares on it.

    Averages over at least 110 stays, without what 1 to 10 of them have alone; cells with fewer than 11 of them have 0.
    """

    mean: tuple[float, ...]
    directions: Matrix
    explained: tuple[float, float]
    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    training: Matrix


def training_map(train: Table) -> Map | None:
    """The map of the training stays; None of fewer than 110, or where all are alike.

    The axes come from at most 5,000 of them. The grid has about 40 x 30 cells, fewer where stays are few.
    """
    if len(train) < FEWEST or not flat(train.take(slice(1))).size:
        return None
    inputs = _shared(train.sample(FITTED_STAYS, seed=0))
    if min(inputs.shape) < 2 or not np.ptp(inputs, axis=0).any():
        return None
    pca = PCA(n_components=2, svd_solver="auto", random_state=0).fit(inputs)
    mean, directions = _rounded(pca.mean_), _rounded(pca.components_)
    places = _places(train, mean, directions)
    x_edges, y_edges = _grid(places)
    counts = np.histogram2d(places[:, 1], places[:, 0], bins=[y_edges, x_edges])[0]
    told = np.where(counts < MIN_STAYS, 0.0, counts) / len(train)
    x, y = pca.explained_variance_ratio_.tolist()
    return Map(
        mean=tuple(mean.tolist()),
        directions=to_matrix(directions),
        explained=(x, y),
        x_edges=tuple(x_edges.tolist()),
        y_edges=tuple(y_edges.tolist()),
        training=to_matrix(_rounded(told)),
    )


def project(synthetic: Table, onto: Map | None) -> Projection | None:
    """The synthetic stays on the map; None where there is none, or it is of other columns than the stays have."""
    if onto is None or not len(synthetic):
        return None
    mean, directions = np.array(onto.mean), from_matrix(onto.directions)
    if flat(synthetic.take(slice(1))).shape[1] != len(mean):
        return None
    places = _places(synthetic, mean, directions)
    counts = np.histogram2d(places[:, 1], places[:, 0], bins=[np.array(onto.y_edges), np.array(onto.x_edges)])[0]
    return Projection(
        explained=onto.explained,
        x_edges=onto.x_edges,
        y_edges=onto.y_edges,
        synthetic=to_matrix(_rounded(counts / len(synthetic))),
        training=onto.training,
    )


def _places(table: Table, mean: Floats, directions: Floats) -> Floats:
    return np.concatenate([(inputs - mean) @ directions.T for inputs in _chunks(table)])


def _shared(table: Table) -> Inputs:
    """(n, D) the stays, less what 1 to 10 of them have alone: the mean would say how many, and an axis who they are."""
    inputs = np.concatenate(list(_chunks(_without_rare(table))))
    usual = np.median(inputs, axis=0)
    few = is_small((inputs != usual).sum(axis=0))
    inputs[:, few] = usual[few]
    return inputs


def _without_rare(table: Table) -> Table:
    """A category that 1 to 10 stays have at a step becomes the most frequent one there: the others add up to 1."""
    codes = table.categorical.copy()
    for j, channel in enumerate(table.channels):
        at, known = codes[:, :, j], np.arange(len(channel.categories))
        counts = np.stack([(at == code).sum(axis=0) for code in known])  # (C, L)
        told = np.where(is_small(counts), counts.argmax(axis=0), known[:, None])
        codes[:, :, j] = np.where(at < 0, at, told[at, np.arange(table.n_steps)])
    return replace(table, categorical=codes)


def _chunks(table: Table) -> Iterator[Inputs]:
    for start in range(0, len(table), CHUNK):
        yield np.clip(flat(table.take(slice(start, start + CHUNK))), -LIMIT, LIMIT)


def _grid(places: Floats) -> tuple[Floats, Floats]:
    """Edges over the central 99 % of each axis, further out only where at least 11 stays are."""
    columns = int(np.clip(np.sqrt(len(places) / STAYS_PER_CELL * 4 / 3), 4, 40))
    beyond = max(CENTRAL, MIN_STAYS / len(places))
    (x_low, y_low), (x_high, y_high) = np.quantile(places, [beyond, 1 - beyond], axis=0)
    rows = max(3, columns * 3 // 4)
    return _edges(x_low, x_high, columns), _edges(y_low, y_high, rows)


def _edges(low: float, high: float, n: int) -> Floats:
    high = high if high - low > 1e-3 else low + 1  # an axis along which nothing varies
    return _rounded(np.linspace(low, high, n + 1))


def _rounded(values: Floats) -> Floats:
    wide: Floats = np.asarray(values, dtype=np.float64)
    return wide.round(5)
