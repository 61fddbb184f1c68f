"""What a model remembers of its real stays: aggregates, and the figures that the holdout scores in a cohort's place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.aggregates import Aggregates, aggregate_real, compare, safe_aggregates
from model.evaluation.definitions import DEFINITIONS
from model.evaluation.detection import Discriminator, c2st_auc
from model.evaluation.disclosure import safe_shares
from model.evaluation.distributions import feature_reports, mean_distance
from model.evaluation.fidelity import MMD_STAYS, mmd
from model.evaluation.measure import CancelCheck, Outcome, Progress, Run, never, no_progress
from model.evaluation.space import Codes, Figure, Floats, NotAvailable, Table, Tick, flat, to_table
from model.evaluation.utility import trtr
from model.spec.base import Spec
from model.spec.report import EvaluationOptions, FeatureReport, Matrix, MetricName

UTILITY_SIZES = (1_000, 3_000)
AGGREGATE_METRICS: tuple[MetricName, ...] = ("total_variation", "correlation_mae", "transition_distance", "acf_mse")
DISCRIMINATORS: dict[MetricName, Discriminator] = {
    "c2st_logistic": "logistic",
    "c2st_mlp": "mlp",
    "c2st_lstm": "lstm",
}
NO_HOLDOUT = "there are no real stays put aside"


class ChannelStatistics(Spec):
    """A categorical channel of the training stays; null where it rests on too few of them."""

    name: str
    frequencies: tuple[float | None, ...]
    transitions: Matrix


class Floor(Spec):
    """What real stays score for a figure; `n_stays` is the number of stays that a TRTR network learned from."""

    name: MetricName
    label: str | None = None
    n_stays: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


class ReferenceStatistics(Spec):
    """Aggregates of training and holdout stays. Nothing in it rests on fewer than 11 stays."""

    version: Literal[1] = 1
    n_training: int
    n_holdout: int
    features: tuple[FeatureReport, ...]
    channels: tuple[ChannelStatistics, ...]
    correlation: Matrix
    acf: Matrix
    label_shares: dict[str, dict[str, float]]
    floors: tuple[Floor, ...]
    seconds: float

    def aggregates(self) -> Aggregates:
        """The training stays' aggregates as arrays, NaN where unknown."""
        return Aggregates(
            frequencies={channel.name: _array(channel.frequencies) for channel in self.channels},
            transitions={channel.name: from_matrix(channel.transitions) for channel in self.channels},
            correlation=from_matrix(self.correlation),
            acf=from_matrix(self.acf),
        )

    def floor(self, name: MetricName, *, label: str | None = None, n_stays: int | None = None) -> Floor | None:
        """The floor of a figure; of several TRTR, the one that learned from a number of stays nearest `n_stays`."""
        known = [f for f in self.floors if f.name == name and f.label == label and f.value is not None]
        if n_stays is None or name != "trtr":
            return known[0] if known else None
        wanted = math.log(max(n_stays, 1))
        return min(known, key=lambda f: abs(math.log(f.n_stays or 1) - wanted), default=None)


def reference_statistics(
    codec: Codec,
    train: Stays,
    holdout: Stays | None,
    *,
    options: EvaluationOptions | None = None,
    utility_sizes: Sequence[int] = UTILITY_SIZES,
    progress: Progress = no_progress,
    cancelled: CancelCheck = never,
) -> ReferenceStatistics:
    """Measure the real stays, once per model.

    TRTR is measured for training on each of `utility_sizes` stays, and on all of them (at most `options.max_stays`),
    so that a cohort is compared with a network that learned from about as many stays. Raises Cancelled.
    """
    options = options or EvaluationOptions()
    real, aside = to_table(train, codec), None if holdout is None else to_table(holdout, codec)
    features = feature_reports(train, holdout, codec)
    told = safe_aggregates(real)
    sizes = _sizes(utility_sizes, min(len(train), options.max_stays))
    names = [name for name in DEFINITIONS if name not in ("tstr", "trtr") and is_wanted(name, options)]
    utility: list[MetricName] = ["trtr"] * (len(sizes) * len(codec.schema.labels) if is_wanted("trtr", options) else 0)
    run = Run("measuring the real stays", names + utility, progress=progress, cancelled=cancelled)
    floors: list[Floor] = []
    if aside is not None:
        floors = _floors(run, codec, real, aside, features=features, options=options, sizes=sizes)
    return ReferenceStatistics(
        n_training=len(train),
        n_holdout=0 if holdout is None else len(holdout),
        features=features,
        channels=tuple(
            ChannelStatistics(name=name, frequencies=_row(shares), transitions=to_matrix(told.transitions[name]))
            for name, shares in told.frequencies.items()
        ),
        correlation=to_matrix(told.correlation),
        acf=to_matrix(told.acf),
        label_shares=label_shares(codec, train.labels),
        floors=tuple(floors),
        seconds=round(run.seconds, 3),
    )


def is_wanted(name: MetricName, options: EvaluationOptions) -> bool:
    """Whether `options` ask for a figure; TRTR is asked for with TSTR, and the other way round."""
    same = ("tstr", "trtr") if name in ("tstr", "trtr") else (name,)
    return options.metrics is None or any(one in options.metrics for one in same)


def label_shares(codec: Codec, labels: Codes) -> dict[str, dict[str, float]]:
    """Label -> category -> share of the stays; of real stays, so no small numbers are told."""
    shares = {}
    for k, label in enumerate(codec.schema.labels):
        counts = np.bincount(labels[:, k], minlength=len(label.categories))
        told = safe_shares(counts.astype(np.float64), counts, total=len(labels))
        shares[label.name] = dict(zip(label.categories, told.tolist(), strict=True))
    return shares


def mmd_between(a: Table, b: Table, *, n: int, seed: int) -> float:
    """`mmd` of `n` stays of each table, flattened."""
    if n < 2:
        raise NotAvailable("at least 2 stays of each table are needed")
    return mmd(flat(a.sample(n, seed=seed)), flat(b.sample(n, seed=seed + 1)))


def to_matrix(values: Floats) -> Matrix:
    """Nested tuples, None for NaN."""
    return tuple(_row(row) for row in values)


def from_matrix(rows: Matrix) -> Floats:
    """The array that `to_matrix` was given; (0, 0) where that had no rows."""
    return np.array([_array(row) for row in rows]).reshape(len(rows), len(rows[0]) if rows else 0)


def _row(values: Floats) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values.tolist())


def _array(values: Sequence[float | None]) -> Floats:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _sizes(utility_sizes: Sequence[int], largest: int) -> list[int]:
    return [*(size for size in sorted(utility_sizes) if size <= 0.8 * largest), largest]


def _floors(
    run: Run,
    codec: Codec,
    train: Table,
    holdout: Table,
    *,
    features: tuple[FeatureReport, ...],
    options: EvaluationOptions,
    sizes: Sequence[int],
) -> list[Floor]:
    floors = []
    for name, compute in _computations(train, holdout, features=features, seed=options.seed).items():
        if is_wanted(name, options):
            floors.append(_floor(run.measure(name, compute), name))
    if is_wanted("trtr", options):
        for k, label in enumerate(codec.schema.labels):
            for n in sizes:
                outcome = run.measure("trtr", _trtr(train, holdout, label=k, n=n, seed=options.seed))
                floors.append(_floor(outcome, "trtr", label=label.name, n_stays=n))
    return floors


def _computations(
    train: Table, holdout: Table, *, features: tuple[FeatureReport, ...], seed: int
) -> dict[MetricName, Callable[[Tick], Figure | float]]:
    subject, real = aggregate_real(holdout), aggregate_real(train)
    n = min(len(train), len(holdout), MMD_STAYS)
    return {
        "marginal_ks": lambda _: mean_distance(features, "holdout"),
        **{name: _compare(name, subject, real) for name in AGGREGATE_METRICS},
        "mmd": lambda _: mmd_between(holdout, train, n=n, seed=seed),
        **{name: _c2st(train, holdout, kind, seed=seed) for name, kind in DISCRIMINATORS.items()},
    }


def _compare(name: MetricName, subject: Aggregates, real: Aggregates) -> Callable[[Tick], float]:
    return lambda _: compare(name, subject, real)


def _c2st(subject: Table, real: Table, kind: Discriminator, *, seed: int) -> Callable[[Tick], Figure]:
    return lambda tick: c2st_auc(subject, real, discriminator=kind, seed=seed, tick=tick)


def _trtr(train: Table, holdout: Table, *, label: int, n: int, seed: int) -> Callable[[Tick], Figure]:
    return lambda tick: trtr(train, holdout, label=label, n_stays=n, seed=seed, tick=tick)


def _floor(outcome: Outcome, name: MetricName, *, label: str | None = None, n_stays: int | None = None) -> Floor:
    value, low, high = outcome.figure or (None, None, None)
    return Floor(name=name, label=label, n_stays=n_stays, value=value, low=low, high=high, reason=outcome.reason)
