"""Three tables in one space, and the distances between them, each computed once when first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

import numpy as np

from model.evaluation.privacy.neighbours import Neighbours, nearest, two_nearest
from model.evaluation.privacy.records import Records
from model.evaluation.space import Bools, Codes, Floats, Tick, no_tick, part_of

TOO_FEW = "there are too few stays"
NO_DATASET = "the real stays are not stored here"
NO_HOLDOUT = "no real stays were put aside"
K_REAL = 4  # enough to find the nearest record of another patient beside up to three stays of one
K_SYNTHETIC = 5
EXACT = 1e-3
"""Nearer than this, in standard deviations over the whole stay, is the same to the precision of 32-bit floats; a
value measured in one stay only is already 1 apart."""
CONTROL_SHARE = 0.99
CONTROL_PART = 0.5
MAX_SHIFT = 12
MIN_SCANNED = 1_000

_T = TypeVar("_T")


class Effort(NamedTuple):
    """How many stays are compared: at most so many pairs, and multiplications for them, per pass."""

    pairs: float
    products: float
    vital_pairs: float
    scanned: int
    scan_products: float
    adversarial: int


@dataclass(frozen=True)
class Side:
    """One table: its records, what they tell, their labels (n, K), and a group for all stays of one patient.

    `unfilled` are the records as they were measured, where missing values of `records` were filled in.
    """

    records: Records
    told: Codes
    labels: Codes
    groups: Codes
    unfilled: Records | None = None

    def __len__(self) -> int:
        return len(self.records)

    def take(self, index: Codes | Bools) -> Side:
        """The stays at `index`."""
        unfilled = None if self.unfilled is None else self.unfilled.take(index)
        return Side(self.records.take(index), self.told[index], self.labels[index], self.groups[index], unfilled)

    @property
    def as_measured(self) -> Records:
        """The records with their gaps."""
        return self.records if self.unfilled is None else self.unfilled


class Nearest(NamedTuple):
    """For each query its nearest real record, and the nearest one of another patient.

    first, second  distances (n,)
    record         (n,) of the nearest record among the training and then the holdout stays
    train, holdout distances to the nearest training and holdout stay (n,), inf where there is none
    """

    first: Floats
    second: Floats
    record: Codes
    train: Floats
    holdout: Floats

    @property
    def ratio(self) -> Floats:
        """NNDR: first / second, within [0, 1]; 1 where the two nearest records are themselves the same."""
        known = np.isfinite(self.second) & (self.second > 0)
        return np.where(known, self.first / np.where(known, self.second, 1.0), 1.0)

    def take(self, rows: Bools | Codes) -> Nearest:
        """Some of the queries."""
        first, second, record, train, holdout = self
        return Nearest(first[rows], second[rows], record[rows], train[rows], holdout[rows])


@dataclass(frozen=True)
class View:
    """Whole stays, or the trajectories of one vital: three tables in one space, and the distances between them.

    Where there are too many pairs, random rows are compared with all records: `rows`, `train_rows`, `holdout_rows`.
    """

    train: Side
    holdout: Side
    synthetic: Side
    rows: Codes
    train_rows: Codes
    holdout_rows: Codes
    effort: Effort
    seed: int
    cache: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def sample(self) -> str | None:
        """On how many synthetic stays the figures rest; None: on all."""
        n, total = len(self.rows), len(self.synthetic)
        return None if n == total else f"{n:,} of {total:,} synthetic stays"

    @property
    def n_scanned(self) -> int:
        """How many synthetic stays are searched for copies in every way."""
        work = max(1, (len(self.train) + len(self.holdout)) * self.train.records.width)
        return min(self.effort.scanned, max(MIN_SCANNED, int(self.effort.scan_products / work)))

    @property
    def told(self) -> Codes:
        """What each training and then each holdout stay tells."""
        return np.concatenate([self.train.told, self.holdout.told])

    def rows_of(self, about: Bools | None) -> Bools:
        """Which of `rows` are among the synthetic stays that `about` (n,) picks; None: all."""
        return np.ones(len(self.rows), dtype=bool) if about is None else np.asarray(about[self.rows])

    def synthetic_to_real(self, tick: Tick = no_tick, *, train_only: bool = False) -> Nearest:
        """From each synthetic stay in `rows` to the real ones, or to the training stays only."""
        queries = self.synthetic.take(self.rows)
        train = self.once("syn-train", lambda: _search(queries, self.train, part_of(tick, 0, 2)))
        holdout = self._to_holdout(part_of(tick, 1, 2))
        return self._nearest(train, None if train_only else holdout)

    def _to_holdout(self, tick: Tick = no_tick) -> Neighbours:
        queries = self.synthetic.take(self.rows)
        return self.once("syn-holdout", lambda: _search(queries, self.holdout, tick))

    def real_to_real(self, tick: Tick = no_tick, *, train_only: bool = False) -> Nearest:
        """From the training stays in `train_rows`, then the holdout's in `holdout_rows`, to stays of other patients."""
        queries = self.real_queries()
        train = self.once("real-train", lambda: _search(queries, self.train, part_of(tick, 0, 2), apart=True))
        holdout = self.once("real-holdout", lambda: _search(queries, self.holdout, part_of(tick, 1, 2), apart=True))
        return self._nearest(train, None if train_only else holdout)

    def real_to_synthetic(self, tick: Tick = no_tick) -> Neighbours:
        """From the same real stays to the synthetic ones in `rows`; indices are into the whole synthetic table."""

        def search() -> Neighbours:
            pool = self.synthetic.take(self.rows).records
            found = nearest(self.real_queries().records, pool, k=K_SYNTHETIC, tick=tick)
            rows = self.rows if len(self.rows) else np.zeros(1, dtype=np.int64)
            return Neighbours(found.distance, np.where(found.record < 0, -1, rows[found.record]))

        return self.once("real-syn", search)

    def real_queries(self) -> Side:
        """The training stays in `train_rows`, then the holdout stays in `holdout_rows`."""
        return joined(self.train.take(self.train_rows), self.holdout.take(self.holdout_rows))

    def is_control(self, tick: Tick = no_tick) -> bool:
        """Whether the table is the holdout itself, put through the gate to see that real stays pass.

        So it is where at least 99 % of its stays are holdout stays, and these are at least half of the holdout. They
        are then told from the training stays only: that each is the same as itself says nothing.
        """
        if not len(self.rows) or not len(self.holdout):
            return False
        same = self.synthetic_to_real(tick).holdout < EXACT
        closest = self._to_holdout().record[:, 0]
        needed = CONTROL_PART * len(self.holdout) * len(self.rows) / len(self.synthetic)
        return bool(same.mean() >= CONTROL_SHARE and len(np.unique(closest[same])) >= needed)

    def _nearest(self, train: Neighbours, holdout: Neighbours | None) -> Nearest:
        n_train = len(self.train)
        if holdout is None:
            holdout = Neighbours(np.full_like(train.distance, np.inf), np.full_like(train.record, -1))
        groups = np.concatenate([self.train.groups, self.holdout.groups])
        index = np.concatenate([train.record, np.where(holdout.record < 0, -1, holdout.record + n_train)], axis=1)
        distance = np.concatenate([train.distance, holdout.distance], axis=1)
        first, second, at = two_nearest(Neighbours(distance, index), groups)
        return Nearest(first, second, at, train.distance[:, 0], holdout.distance[:, 0])

    def once(self, name: str, compute: Callable[[], _T]) -> _T:
        """The result of `compute`, which is kept under `name`."""
        if name not in self.cache:
            self.cache[name] = compute()
        return cast("_T", self.cache[name])


def shifts(n_steps: int) -> list[int]:
    """Time shifts under which copies are sought: up to 12 steps either way, at most half of the stay."""
    furthest = min(MAX_SHIFT, n_steps // 2)
    return [s for s in range(-furthest, furthest + 1) if s != 0]


def joined(a: Side, b: Side) -> Side:
    """The stays of both, in this order."""
    return Side(
        a.records.joined(b.records),
        np.concatenate([a.told, b.told]),
        np.concatenate([a.labels, b.labels]),
        np.concatenate([a.groups, b.groups]),
        None if a.unfilled is None else a.unfilled.joined(b.as_measured),
    )


def _search(queries: Side, pool: Side, tick: Tick, *, apart: bool = False) -> Neighbours:
    groups = (queries.groups, pool.groups) if apart else (None, None)
    return nearest(queries.records, pool.records, k=K_REAL, query_groups=groups[0], pool_groups=groups[1], tick=tick)
