"""What the holdout scores in the place of synthetic stays, figure by figure, to be kept for when it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from model.evaluation.aggregates import aggregate_real
from model.evaluation.features import Gaps, exact_gaps, with_gaps
from model.evaluation.fidelity_tables import TABLE_METRICS, dtw_figure, mmd_figure
from model.evaluation.fidelity_values import FidelityTask, Known, value_metrics, value_of
from model.evaluation.lengths import Lengths, length_shares
from model.evaluation.portrait import Portrait
from model.evaluation.space import Figure, Table, Tick
from model.evaluation.view import View
from model.spec.figures import FeatureReport, Side
from model.spec.report import EvaluationOptions, MetricName


def holdout_tasks(
    train: View,
    holdout: View,
    *,
    features: Sequence[FeatureReport],
    portrait: Portrait,
    options: EvaluationOptions,
) -> list[FidelityTask]:
    """The figures of fidelity of the holdout: `features` and `portrait` are of both tables.

    They rest on exact gaps; but on the rarest values that may be told, as a report does when the stays are gone.
    """
    gaps: dict[Side, Gaps] = {
        "training": exact_gaps(train.stays, features),
        "holdout": exact_gaps(holdout.stays, features),
    }
    known = Known(
        side="holdout",
        n_stays=len(holdout),
        n_training=len(train),
        features=with_gaps(features, gaps),
        rules=portrait.rules,
        units=portrait.deviations,
        subject=aggregate_real(holdout.table),
        training=aggregate_real(train.table),
        lengths=Lengths(length_shares(holdout.stays), length_shares(train.stays)),
    )
    names = value_metrics(variable_length=portrait.length is not None)
    tasks = [FidelityTask(name, partial(_value, name, known)) for name in names]
    tables = holdout.table, train.table
    return [*tasks, *(FidelityTask(name, partial(_of_tables, name, *tables, options)) for name in TABLE_METRICS)]


def _value(name: MetricName, known: Known, tick: Tick) -> Figure:
    tick(0.0)
    return Figure(value_of(name, known))


def _of_tables(name: MetricName, holdout: Table, train: Table, options: EvaluationOptions, tick: Tick) -> Figure:
    compute = dtw_figure if name == "dtw" else mmd_figure
    return compute(holdout, train, None, options=options, tick=tick)
