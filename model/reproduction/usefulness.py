"""Are a cohort's stays of use to a classifier? TSTR, TRTR, TRTS and T(S+R)TR, all about the first label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.data.stays import Stays
from model.evaluation.augmentation import augmentation, mean_gain
from model.evaluation.space import NotAvailable, Table, Tick, part_of
from model.evaluation.utility import Task, auc_on, train
from model.evaluation.view import view
from model.reproduction.records import Measured
from model.reproduction.source import Source

Figures = dict[str, Measured]


@dataclass(frozen=True)
class _Tables:
    """Real stays to learn from, real ones to be asked about, and the synthetic ones; all filled alike."""

    real: Table
    aside: Table
    synthetic: Table


def usefulness(
    synthetic: Table, source: Source, *, more: Stays | None, imputed: bool, seed: int, tick: Tick
) -> Figures:
    """The AUCs of a BiLSTM that learned from as many real stays as there are synthetic ones, and from these.

    `more` synthetic stays are added to real ones (T(S+R)TR), of which as many are 100 % as the cohort has; None: that
    is not measured. A figure that cannot be had says why.
    """
    codec, label = source.codec, source.schema.labels[0]
    without = frozenset(c.name for c in codec.categorical_channels if c.kind == "mark") if imputed else frozenset()
    real, aside = (view(side, codec, without=without, fill=imputed).table for side in (source.train, source.holdout))
    tables = _Tables(real, aside, synthetic)
    task = Task(0, len(label.categories), "bilstm", min(len(synthetic), len(real)), seed)
    figures = _attempted(("tstr", "trtr", "trts", "tstr_share"), lambda: _aucs(tables, task, tick=part_of(tick, 0, 2)))
    if more is None:
        return figures
    added = _Tables(real, aside, view(more, codec, without=without).table)
    return figures | _attempted(
        ("augmentation",), lambda: _gains(added, task, label=label.name, tick=part_of(tick, 1, 2))
    )


def _attempted(names: tuple[str, ...], compute: Callable[[], Figures]) -> Figures:
    try:
        return compute()
    except NotAvailable as reason:
        return {name: Measured(reason=str(reason)) for name in names}


def _aucs(tables: _Tables, task: Task, *, tick: Tick) -> Figures:
    from_real = train(tables.real, task, tick=part_of(tick, 0, 2))
    trtr = auc_on(from_real, tables.aside).value
    trts = auc_on(from_real, tables.synthetic, what="the cohort").value
    tstr = auc_on(train(tables.synthetic, task, tick=part_of(tick, 1, 2)), tables.aside).value
    return {
        "tstr": Measured(value=tstr, real=trtr),
        "trtr": Measured(value=trtr),
        "trts": Measured(value=trts, real=trtr),
        "tstr_share": Measured(value=tstr / trtr, real=1.0),
    }


def _gains(tables: _Tables, task: Task, *, label: str, tick: Tick) -> Figures:
    """The AUC of each mixture of real and synthetic stays, beside that of the same real stays alone."""
    gains = augmentation(tables.real, tables.synthetic, tables.aside, task, label=label, tick=tick)
    figures = {
        mixture_name(row.real_share, row.n_synthetic / task.n_stays): Measured(value=row.value, real=row.real_only)
        for row in gains.rows
    }
    return figures | {"augmentation": Measured(value=mean_gain([gains]).value, real=0.0)}


def mixture_name(real_share: float, synthetic_share: float) -> str:
    """The key of a mixture, in per cent: `mix_100_200`."""
    return f"mix_{100 * real_share:.0f}_{100 * synthetic_share:.0f}"
