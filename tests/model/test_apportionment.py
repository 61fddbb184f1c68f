from hypothesis import given
from hypothesis import strategies as st

from model.apportionment import fixed_label_counts, stratum_counts
from model.spec.ratios import LabelRatios, Stratum
from model.strata import count_labels, plan_labels
from tests.model.test_strata import DEATH, JOINT, UNIT, schema

SCHEMA = schema(DEATH, UNIT)
STRATA = (
    Stratum(labels={"unit": "CCU", "death": "1"}, ratio=0.5),
    Stratum(labels={"unit": "MICU", "death": "0"}, ratio=0.5),
)


def test_a_tie_goes_to_the_first_combination_of_the_schema_in_whatever_order_it_is_asked_for() -> None:
    assert stratum_counts(STRATA, SCHEMA, 5) == [2, 3]
    assert fixed_label_counts(STRATA, SCHEMA, 5) == {
        "death": {"0": 3, "1": 2},
        "unit": {"MICU": 3, "SICU": 0, "CCU": 2},
    }


def test_labels_left_free_are_not_told() -> None:
    assert fixed_label_counts(None, SCHEMA, 5) == {}
    assert fixed_label_counts({"death": {"1": 0.3, "0": 0.7}}, SCHEMA, 7) == {"death": {"0": 5, "1": 2}}


@given(st.integers(1, 300), st.integers(0, 1000), st.integers(0, 500))
def test_it_is_what_a_cohort_gets(n: int, tenths: int, other: int) -> None:
    shares = {"0": tenths / 1000, "1": 1 - tenths / 1000}
    unit = {"MICU": other / 1000, "SICU": 0.5 - other / 1000, "CCU": 0.5}
    for ratios in (shares, "balanced"):
        asked: LabelRatios = {"death": ratios, "unit": unit}
        plan = plan_labels(SCHEMA, JOINT, n_stays=n, ratios=asked, seed=0)
        assert fixed_label_counts(asked, SCHEMA, n) == dict(count_labels(plan.codes, SCHEMA))
