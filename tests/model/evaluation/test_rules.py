import numpy as np
import pytest

from model.data.stays import Stays
from model.evaluation.rules import ALL_RULES, rule_reports
from model.spec.schema import NumericalFeature, Schema

NAN = np.nan


def schema(*rules: str) -> Schema:
    features = tuple(NumericalFeature(name=name) for name in ("dbp", "map", "sbp"))
    return Schema(stay_id="s", time="t", sequence_length=2, features=features, rules=rules)


RULES = schema("dbp <= map", "map <= sbp")


def stays(rows: list[list[list[float]]]) -> Stays:
    values = np.array(rows, dtype=np.float32).reshape(-1, 2, 3)
    return Stays(values, np.zeros((len(values), 2, 0), np.int64), np.zeros((len(values), 0), np.int64))


GOOD, BAD_DBP, BAD_MAP = [60.0, 80.0, 120.0], [90.0, 80.0, 120.0], [60.0, 130.0, 120.0]
BOTH_BAD, NOTHING = [140.0, 130.0, 120.0], [NAN, 80.0, NAN]


def test_rows_and_stays_counted_by_hand() -> None:
    table = stays([[GOOD, GOOD], [GOOD, BAD_DBP], [BAD_MAP, NOTHING], [BOTH_BAD, GOOD], [NOTHING, NOTHING]])
    first, second, together = rule_reports({"synthetic": table}, RULES)
    assert (first.rule, first.rows["synthetic"], first.stays["synthetic"]) == ("dbp <= map", 5 / 7, 2 / 4)
    assert (second.rows["synthetic"], second.stays["synthetic"]) == (5 / 7, 2 / 4)
    assert (together.rule, together.rows["synthetic"]) == (ALL_RULES, 4 / 7)
    assert together.stays["synthetic"] == pytest.approx(1 / 4)


def test_without_rules_and_without_values_there_is_nothing_to_tell() -> None:
    table = stays([[NOTHING, NOTHING]])
    assert rule_reports({"synthetic": table}, schema()) == ()
    (only,) = rule_reports({"synthetic": table, "training": table}, schema("dbp <= map"))
    assert only.rows == {"synthetic": None, "training": None}
    assert only.stays == {"synthetic": None, "training": None}


@pytest.mark.parametrize(
    ("n_bad", "rows", "whole"), [(0, 1, 1), (10, 1, 1), (11, 189 / 200, 89 / 100), (95, 105 / 200, 0)]
)
def test_of_real_stays_no_rule_is_told_that_ten_break_or_keep(n_bad: int, rows: float, whole: float) -> None:
    table = stays([[GOOD, BAD_DBP]] * n_bad + [[GOOD, GOOD]] * (100 - n_bad))
    (report,) = rule_reports({"training": table, "synthetic": table}, schema("dbp <= map"))
    if n_bad == 95:  # five keep it in all their rows
        assert (report.rows["training"], report.stays["training"]) == (0, 0)
    else:
        assert report.rows["training"] == pytest.approx(rows)
        assert report.stays["training"] == pytest.approx(whole)
    assert report.rows["synthetic"] == pytest.approx(1 - n_bad / 200)


def test_of_ten_real_stays_nothing_is_told() -> None:
    (report,) = rule_reports({"holdout": stays([[GOOD, BAD_DBP]] * 10)}, schema("dbp <= map"))
    assert (report.rows, report.stays) == ({"holdout": None}, {"holdout": None})


@pytest.mark.parametrize("few", range(1, 11))
def test_all_rules_do_not_say_how_few_stays_break_both(few: int) -> None:
    def table(n_both: int) -> Stays:
        rows = [[BOTH_BAD, GOOD]] * n_both + [[BAD_DBP, GOOD]] * (40 - n_both) + [[BAD_MAP, GOOD]] * (40 - n_both)
        return stays(rows + [[GOOD, GOOD]] * (1000 - len(rows)))

    told, of_one = (rule_reports({"training": table(n)}, RULES)[-1] for n in (few, 1))
    assert told.stays["training"] in (pytest.approx(0.92), pytest.approx(0.93))
    assert of_one.stays["training"] == pytest.approx(0.92)
    exact = 1 - (80 - few) / 1000
    assert told.stays["training"] != pytest.approx(exact, abs=1e-9) or few == 10


def test_the_order_of_stays_changes_nothing() -> None:
    rows = [[GOOD, BAD_DBP]] * 30 + [[GOOD, GOOD]] * 50
    assert rule_reports({"training": stays(rows)}, RULES) == rule_reports({"training": stays(rows[::-1])}, RULES)
