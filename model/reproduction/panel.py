"""The panel of figures that every arm is judged by, each beside what the real stays put aside score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.data.codec import Codec
from model.data.rules import check_rule
from model.data.stays import Stays
from model.evaluation.augmentation import augmentation, mean_gain
from model.evaluation.comparison import compared
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.scores import all_scores
from model.evaluation.sections import fidelity_measures, privacy_measures
from model.evaluation.space import NotAvailable, Table
from model.evaluation.utility import Task, auc_on, train
from model.evaluation.view import view
from model.reproduction.records import Measured
from model.reproduction.source import Source, balanced
from model.spec.base import Spec
from model.spec.report import EvaluationOptions, MetricName
from model.training import CancelCheck, Progress

FIDELITY: tuple[MetricName, ...] = (
    "marginal_ks", "total_variation", "correlation_mae", "conditional_distance", "tails", "missing_rate_mae",
    "missing_runs", "co_missingness", "acf_mse", "transition_distance", "mmd",
    "c2st_logistic", "c2st_mlp", "c2st_lstm",
)  # fmt: skip
PRIVACY: tuple[MetricName, ...] = ("near_copies", "dcr_share", "nnaa_loss", "membership_auc")
TAIL = 0.999

Figures = dict[str, Measured]


class Panel(Spec):
    """What is measured of a cohort. `privacy` and `augmentation` take most of the time."""

    seed: int
    privacy: bool
    augmentation: bool


@dataclass(frozen=True)
class Reference:
    """The real stays that a cohort is compared with; a classifier's use is always judged by the source's own."""

    source: Source
    train: Stays
    holdout: Stays


def reference(source: Source, *, equal_labels: bool, seed: int) -> Reference:
    """The real stays themselves or, for cohorts of equally many stays per label, as many of each label of them."""
    if not equal_labels:
        return Reference(source, source.train, source.holdout)
    return Reference(source, balanced(source.train, seed=seed), balanced(source.holdout, seed=seed))


def measure(
    synthetic: Stays,
    real: Reference,
    *,
    panel: Panel,
    more: Stays | None = None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Figures:
    """Every figure of the panel; one that cannot be had says why. `more` stays serve augmentation alone.

    Raises Cancelled.
    """
    codec = real.source.codec
    names = (*FIDELITY, *PRIVACY) if panel.privacy else FIDELITY
    options = EvaluationOptions(seed=panel.seed, metrics=names)
    sides = compared(codec, real.train, real.holdout, synthetic, reference=None, options=options)
    privacy = privacy_measures(codec, real.train, real.holdout, synthetic, sides).measures if panel.privacy else []
    whole = [one for one in privacy if not (one.label or one.category or one.feature)]
    others = [*fidelity_measures(sides), *whole]
    scores = all_scores(sides, codec, others=others, progress=progress, cancelled=cancelled).scores
    figures: Figures = {
        score.name: Measured(value=score.value, real=score.holdout_value, reason=score.reason) for score in scores
    }
    progress("learning from stays", 0, 1)
    figures |= _usefulness(synthetic, real.source, panel=panel, imputed=sides.imputed, more=more)
    return figures | _plain_figures(synthetic, real, codec)


def _usefulness(synthetic: Stays, source: Source, *, panel: Panel, imputed: bool, more: Stays | None) -> Figures:
    """TSTR, TRTR, TRTS and T(S+R)TR with a BiLSTM, all about the first label.

    As many real stays are 100 % as there are synthetic ones.
    """
    codec = source.codec
    without = frozenset(c.name for c in codec.categorical_channels if c.kind == "mark") if imputed else frozenset()
    real, aside = (view(side, codec, without=without, fill=imputed).table for side in (source.train, source.holdout))
    drawn = view(synthetic, codec, without=without).table
    label = codec.schema.labels[0]
    n = min(len(drawn), len(real))
    task = Task(0, len(label.categories), "bilstm", n, panel.seed)
    try:
        figures = _aucs(real, drawn, aside, task)
        if panel.augmentation:
            added = drawn if more is None else view(more, codec, without=without).table
            figures |= _added(real, added, aside, task, label.name)
    except NotAvailable as reason:
        return {name: Measured(reason=str(reason)) for name in ("tstr", "trtr", "trts")}
    return figures


def _aucs(real: Table, drawn: Table, aside: Table, task: Task) -> Figures:
    from_real = train(real, task)
    trtr = auc_on(from_real, aside).value
    trts = auc_on(from_real, drawn, what="the cohort").value
    tstr = auc_on(train(drawn, task), aside).value
    return {
        "tstr": Measured(value=tstr, real=trtr),
        "trtr": Measured(value=trtr),
        "trts": Measured(value=trts, real=trtr),
        "tstr_share": Measured(value=tstr / trtr, real=1.0),
    }


def _added(real: Table, drawn: Table, aside: Table, task: Task, label: str) -> Figures:
    """The AUC of each mixture of real and synthetic stays, beside that of the same real stays alone."""
    gains = augmentation(real, drawn, aside, task, label=label)
    figures = {
        mixture_name(row.real_share, row.n_synthetic / task.n_stays): Measured(value=row.value, real=row.real_only)
        for row in gains.rows
    }
    return figures | {"augmentation": Measured(value=mean_gain([gains]).value, real=0.0)}


def mixture_name(real_share: float, synthetic_share: float) -> str:
    """The key of a mixture, in per cent of the training stays: `mix_100_200`."""
    return f"mix_{100 * real_share:.0f}_{100 * synthetic_share:.0f}"


def _plain_figures(synthetic: Stays, real: Reference, codec: Codec) -> Figures:
    own, aside = rules_rate(synthetic, codec), rules_rate(real.holdout, codec)
    no_rules = None if own is not None else "the schema has no rules, or no row in which they can be checked"
    rate, training_rate = label_rate(synthetic), label_rate(real.source.train)
    return {
        "rules": Measured(value=own, real=aside, reason=no_rules),
        "tail_error": tail_error(synthetic, real.train, aside=real.holdout),
        "label_rate": Measured(value=rate, real=training_rate),
    }


def rules_rate(stays: Stays, codec: Codec) -> float | None:
    """Share of the rows with all values that the rules name in which every rule holds; None where there are none."""
    checks = [check_rule(stays, codec.schema, rule) for rule in codec.schema.rules]
    if not checks:
        return None
    checked = np.all([check.checked for check in checks], axis=0)
    holds = np.all([check.holds for check in checks], axis=0)
    return float(holds.sum() / checked.sum()) if checked.any() else None


def tail_error(synthetic: Stays, training: Stays, *, aside: Stays) -> Measured:
    """Largest relative difference, over the numerical features, of the 99.9 % quantile from the training stays'."""
    expected = _high_ends(training)
    known = np.isfinite(expected) & (expected != 0)

    def error(stays: Stays) -> float | None:
        off = np.abs(_high_ends(stays)[known] / expected[known] - 1)
        off = off[np.isfinite(off)]
        return float(off.max()) if len(off) else None

    value = error(synthetic)
    return Measured(
        value=value, real=error(aside), reason=None if value is not None else "no feature has enough values"
    )


def _high_ends(stays: Stays) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(M_n,) NaN where fewer than 11 stays have a value."""
    ends = np.full(stays.numerical.shape[2], np.nan)
    for j in range(len(ends)):
        values = stays.numerical[:, :, j]
        observed = ~np.isnan(values)
        if observed.any(axis=1).sum() >= MIN_STAYS:
            ends[j] = np.quantile(values[observed].astype(np.float64), TAIL)
    return ends


def label_rate(stays: Stays) -> float:
    """Share of the stays whose first label is not its first category."""
    return float((stays.labels[:, 0] > 0).mean())
