"""Clinical rules between numerical features, such as `dbp <= map`: where they can be checked, and where they hold."""

from __future__ import annotations

import operator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.data.stays import Stays
from model.spec.schema import Rule, Schema, parse_rule

Bools = npt.NDArray[np.bool_]

COMPARE = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


class Checked(NamedTuple):
    """Rows (n, L) in which a rule can be checked (both values are there), and those of them in which it holds."""

    checked: Bools
    holds: Bools


def check_rule(stays: Stays, schema: Schema, rule: str) -> Checked:
    """Where `rule` of the schema can be checked in `stays`, and where it holds."""
    left, sign, right = _columns(parse_rule(rule), schema)
    a, b = stays.numerical[:, :, left], stays.numerical[:, :, right]
    checked = ~(np.isnan(a) | np.isnan(b))
    return Checked(checked, checked & COMPARE[sign](a, b))


def breaks_rules(stays: Stays, schema: Schema) -> Bools:
    """(n,) True for a stay with a row in which a rule of the schema can be checked and does not hold."""
    broken = np.zeros(len(stays), dtype=np.bool_)
    for rule in schema.rules:
        checked, holds = check_rule(stays, schema, rule)
        broken |= (checked & ~holds).any(axis=1)
    return broken


def _columns(rule: Rule, schema: Schema) -> tuple[int, str, int]:
    names = [feature.name for feature in schema.numerical]
    return names.index(rule.left), rule.operator, names.index(rule.right)
