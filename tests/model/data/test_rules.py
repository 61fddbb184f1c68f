from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.rules import breaks_rules, check_rule
from model.data.stays import Stays
from model.spec.schema import NumericalFeature, Schema

NAN = np.nan


def schema(*rules: str) -> Schema:
    features = tuple(NumericalFeature(name=name) for name in ("dbp", "map", "sbp"))
    return Schema(stay_id="stay", time="hour", sequence_length=2, features=features, rules=rules)


def stays(*rows: Sequence[Sequence[float]]) -> Stays:
    numerical = np.array(rows, dtype=np.float32)
    return Stays(numerical, np.zeros((len(rows), 2, 0), dtype=np.int64), np.zeros((len(rows), 0), dtype=np.int64))


def test_a_rule_is_checked_where_both_values_are_there() -> None:
    table = stays([[60, 80, 120], [60, NAN, 120]], [[90, 80, 120], [NAN, 80, 120]])
    checked, holds = check_rule(table, schema("dbp <= map"), "dbp <= map")
    assert checked.tolist() == [[True, False], [True, False]]
    assert holds.tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize(
    ("rule", "holds"), [("dbp <= map", True), ("dbp < map", False), ("dbp >= map", True), ("dbp > map", False)]
)
def test_equal_values_hold_where_the_rule_allows_them(rule: str, holds: bool) -> None:
    assert check_rule(stays([[80, 80, 80]] * 2), schema(rule), rule).holds.all() == holds


def test_a_stay_breaks_the_rules_if_one_row_breaks_one_of_them() -> None:
    good, bad_row, bad_rule = [[60, 80, 120]] * 2, [[60, 80, 120], [81, 80, 120]], [[60, 130, 120]] * 2
    unmeasured = [[NAN, NAN, NAN]] * 2
    rules = schema("dbp <= map", "map <= sbp")
    assert breaks_rules(stays(good, bad_row, bad_rule, unmeasured), rules).tolist() == [False, True, True, False]


@given(st.lists(st.floats(0, 200, width=32), min_size=6, max_size=6))
def test_without_rules_nothing_breaks(values: list[float]) -> None:
    assert not breaks_rules(stays(np.reshape(values, (2, 3)).tolist()), schema()).any()
