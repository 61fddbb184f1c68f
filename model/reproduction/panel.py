"""The panel of figures that every arm is judged by, each beside what the real stays put aside score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.data.codec import Codec
from model.data.rules import check_rule
from model.data.stays import Stays
from model.evaluation.comparison import compared
from model.evaluation.scores import all_scores
from model.evaluation.sections import fidelity_measures, privacy_measures
from model.evaluation.space import Floats
from model.evaluation.tails import TAILS, exact_ends
from model.reproduction.records import Measured
from model.reproduction.source import Source, balanced
from model.reproduction.unmasked import with_all_values
from model.reproduction.usefulness import Figures, usefulness
from model.spec.base import Spec
from model.spec.errors import Cancelled
from model.spec.report import EvaluationOptions, MetricName
from model.training import CancelCheck, Progress

FIDELITY: tuple[MetricName, ...] = (
    "marginal_ks", "total_variation", "correlation_mae", "conditional_distance", "tails", "missing_rate_mae",
    "missing_runs", "co_missingness", "acf_mse", "transition_distance", "mmd",
    "c2st_logistic", "c2st_mlp", "c2st_lstm",
)  # fmt: skip
PRIVACY: tuple[MetricName, ...] = ("near_copies", "dcr_share", "nnaa_loss", "membership_auc")


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
    complete: Stays | None = None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Figures:
    """Every figure of the panel; one that cannot be had says why. `more` stays serve augmentation alone.

    `complete` are the same synthetic stays with a value everywhere, where those are to be judged, too. Raises
    Cancelled.
    """
    codec = real.source.codec
    names = (*FIDELITY, *PRIVACY) if panel.privacy else FIDELITY
    options = EvaluationOptions(seed=panel.seed, metrics=names)
    sides = compared(codec, real.train, real.holdout, synthetic, reference=None, options=options)
    if complete is not None:
        sides = with_all_values(sides, complete)
    privacy = privacy_measures(codec, real.train, real.holdout, synthetic, sides).measures if panel.privacy else []
    whole = [one for one in privacy if not (one.label or one.category or one.feature)]
    others = [*fidelity_measures(sides), *whole]
    scores = all_scores(sides, codec, others=others, progress=progress, cancelled=cancelled).scores
    figures: Figures = {
        score.name: Measured(value=score.value, real=score.holdout_value, reason=score.reason) for score in scores
    }

    def tick(fraction: float) -> None:
        if cancelled():
            raise Cancelled("the evaluation was cancelled")
        progress("learning from stays", round(100 * fraction), 100)

    extra = (synthetic if more is None else more) if panel.augmentation else None
    figures |= usefulness(
        sides.synthetic_table, real.source, more=extra, imputed=sides.imputed, seed=panel.seed, tick=tick
    )
    return figures | _plain_figures(synthetic, real, codec)


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


def _high_ends(stays: Stays) -> Floats:
    """(M_n,) NaN where fewer than 11 stays have a value."""
    return exact_ends(stays)[:, TAILS.index("99.9")]


def label_rate(stays: Stays) -> float:
    """Share of the stays whose first label is not its first category."""
    return float((stays.labels[:, 0] > 0).mean())
