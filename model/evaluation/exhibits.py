"""What a report shows of both sides besides features: relations of gaps, transitions, rules, a map of whole stays."""

from __future__ import annotations

from model.evaluation.comparison import Comparison
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.matrices import to_matrix
from model.evaluation.missingness import marks
from model.evaluation.projection import project
from model.evaluation.rules import rule_reports as reports_of
from model.spec.figures import Correlations, Projection, RuleReport, Side, Transitions


def co_missingness(sides: Comparison) -> Correlations | None:
    """Phi coefficients of the features' missingness.

    None where values were filled in, or of fewer than 2 features, or 11 synthetic stays.
    """
    names, _ = marks(sides.synthetic_table.take(slice(0)))
    if len(names) < 2 or _too_few(sides):
        return None
    told = None if sides.told is None else sides.told.co_missing
    return Correlations(
        names=names,
        synthetic=to_matrix(sides.synthetic.co_missing),
        training=None if told is None or len(told) != len(names) else to_matrix(told),
    )


def transitions(sides: Comparison) -> tuple[Transitions, ...]:
    """Transition matrices of every channel that can change; none of stays of one step, or of fewer than 11."""
    if sides.synthetic_table.n_steps < 2 or _too_few(sides):
        return ()
    told = sides.told.transitions if sides.told else {}
    return tuple(
        Transitions(
            name=channel.name,
            categories=channel.categories,
            synthetic=to_matrix(sides.synthetic.transitions[channel.name]),
            training=to_matrix(told[channel.name]) if channel.name in told else None,
        )
        for channel in sides.synthetic_table.channels
        if not channel.static
    )


def rule_reports(sides: Comparison) -> tuple[RuleReport, ...]:
    """Where the schema's rules hold in each table; null for fewer than 11 synthetic stays."""
    known = {report.rule: report for report in sides.portrait.rules} if sides.portrait else {}
    found = reports_of({"synthetic": sides.synthetic_view.stays}, sides.codec.schema)
    if _too_few(sides):
        nothing: dict[Side, float | None] = {"synthetic": None}
        found = tuple(report.model_copy(update={"rows": nothing, "stays": nothing}) for report in found)
    return tuple(_beside(report, known.get(report.rule)) for report in found)


def projection(sides: Comparison) -> Projection | None:
    """Whole stays on the training stays' principal components; None where these, or 11 synthetic stays, are not."""
    if _too_few(sides):
        return None
    return project(sides.synthetic_table, sides.portrait.map if sides.portrait else None)


def _too_few(sides: Comparison) -> bool:
    """Fewer than 11 synthetic stays are not told: what is said of one that copies a patient is said of the patient."""
    return len(sides.synthetic_table) < MIN_STAYS


def _beside(synthetic: RuleReport, real: RuleReport | None) -> RuleReport:
    if real is None:
        return synthetic
    return RuleReport(
        rule=synthetic.rule, rows={**synthetic.rows, **real.rows}, stays={**synthetic.stays, **real.stays}
    )
