"""Do the schema's clinical rules hold? Shares of the rows and of the stays, each rule by itself and all together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from model.data.rules import Checked, check_rule
from model.data.stays import Stays
from model.evaluation.disclosure import MIN_STAYS, is_small
from model.evaluation.space import Bools
from model.spec.figures import RuleReport, Side
from model.spec.schema import Schema

ALL_RULES = "all rules"


def rule_reports(tables: Mapping[Side, Stays], schema: Schema) -> tuple[RuleReport, ...]:
    """Each rule of the schema in each table, and, where there are several, all of them together (`ALL_RULES`).

    Of real stays nothing is told that rests on fewer than 11: a rule that fewer break holds always.
    """
    checked = {side: all_checked(stays, schema) for side, stays in tables.items()}
    names = [*schema.rules, *([ALL_RULES] if len(schema.rules) > 1 else [])]
    return tuple(_report(name, checked) for name in names)


def all_checked(stays: Stays, schema: Schema) -> dict[str, Checked]:
    """Every rule by its text, and `ALL_RULES`: rows in which at least one can be checked, and none is broken."""
    found = {rule: check_rule(stays, schema, rule) for rule in schema.rules}
    shape = stays.numerical.shape[:2]
    checked: Bools = np.zeros(shape, dtype=np.bool_)
    broken: Bools = np.zeros(shape, dtype=np.bool_)
    for one in found.values():
        checked = np.logical_or(checked, one.checked)
        broken = np.logical_or(broken, one.checked & ~one.holds)
    return {**found, ALL_RULES: Checked(checked, checked & ~broken)}


def _report(name: str, found: Mapping[Side, dict[str, Checked]]) -> RuleReport:
    rows: dict[Side, float | None] = {}
    stays: dict[Side, float | None] = {}
    for side, rules in found.items():
        real = side != "synthetic"
        one = _without_few(rules[name]) if real else rules[name]
        rows[side], stays[side] = _share_of_rows(one), _share_of_stays(one)
        if real and name == ALL_RULES and _gives_away(rules):
            rows[side], stays[side] = _rounded(one, rows[side], stays[side])
    return RuleReport(rule=name, rows=rows, stays=stays)


def _share_of_rows(found: Checked) -> float | None:
    return float(found.holds.sum() / found.checked.sum()) if found.checked.any() else None


def _share_of_stays(found: Checked) -> float | None:
    relevant = found.checked.any(axis=1)
    broken = _broken_stays(found)
    return float(1 - broken.sum() / relevant.sum()) if relevant.any() else None


def _broken_stays(found: Checked) -> Bools:
    return np.asarray((found.checked & ~found.holds).any(axis=1))


def _without_few(found: Checked) -> Checked:
    """As if a rule that 1 to 10 stays break always held, and one that holds in 1 to 10 never did; none of 1 to 10."""
    checked, holds = found
    if is_small(checked.any(axis=1).sum()):
        return Checked(np.zeros_like(checked), np.zeros_like(checked))
    if is_small(_broken_stays(found).sum()):
        return Checked(checked, checked)
    keeps = checked.any(axis=1) & ~_broken_stays(found)
    if is_small(holds.any(axis=1).sum()) or is_small(keeps.sum()):
        return Checked(checked, np.zeros_like(checked))
    return found


def _gives_away(rules: Mapping[str, Checked]) -> bool:
    """Whether all rules beside the single ones would say how 1 to 10 stays break several, or only one of them."""
    sets = [_broken_stays(found) for rule, found in rules.items() if rule != ALL_RULES]
    union = np.any(sets, axis=0)
    differences = [(union & ~one).sum() for one in sets]
    overlaps = [(a & b).sum() for a, b in combinations(sets, 2)]
    return bool(is_small(np.array([*differences, *overlaps])).any())


def _rounded(found: Checked, rows: float | None, stays: float | None) -> tuple[float | None, float | None]:
    """The shares as if the number of stays that break a rule were a multiple of 10."""
    broken, ten = int(_broken_stays(found).sum()), MIN_STAYS - 1
    if rows is None or stays is None or not broken:
        return rows, stays
    factor = max(1, round(broken / ten)) * ten / broken
    return max(0.0, 1 - (1 - rows) * factor), max(0.0, 1 - (1 - stays) * factor)
