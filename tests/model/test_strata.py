import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.apportionment import largest_remainder
from model.spec.errors import RatioError
from model.spec.ratios import LabelRatios, Stratum
from model.spec.schema import Label, NumericalFeature, Schema
from model.strata import count_labels, label_joint, plan_labels, rake

DEATH = Label(name="death", categories=("0", "1"))
UNIT = Label(name="unit", categories=("MICU", "SICU", "CCU"))
JOINT = np.array([[500, 300, 100], [60, 30, 10]])


def schema(*labels: Label) -> Schema:
    return Schema(stay_id="id", time="hour", sequence_length=2, features=(NumericalFeature(name="hr"),), labels=labels)


def counts(ratios: LabelRatios | None, n_stays: int, *, joint: np.ndarray = JOINT) -> dict[str, dict[str, int]]:
    plan = plan_labels(schema(DEATH, UNIT), joint, n_stays=n_stays, ratios=ratios, seed=0)
    assert len(plan.codes) == n_stays
    return dict(count_labels(plan.codes, schema(DEATH, UNIT)))


def test_thirty_percent_of_two_thousand_is_six_hundred() -> None:
    assert counts({"death": {"1": 0.3, "0": 0.7}}, 2000)["death"] == {"0": 1400, "1": 600}


def test_free_labels_follow_training_given_the_fixed_ones() -> None:
    plan = plan_labels(schema(DEATH, UNIT), JOINT, n_stays=1000, ratios={"death": {"0": 0.0, "1": 1.0}}, seed=0)
    assert label_joint(plan.codes, schema(DEATH, UNIT)).tolist() == [[0, 0, 0], [600, 300, 100]]


def test_without_ratios_the_training_joint_comes_out() -> None:
    plan = plan_labels(schema(DEATH, UNIT), JOINT, n_stays=1000, ratios=None, seed=0)
    assert (label_joint(plan.codes, schema(DEATH, UNIT)) == JOINT).all()


def test_balanced_strata_over_two_labels() -> None:
    strata = tuple(
        Stratum(labels={"death": death, "unit": unit}, ratio=1 / 6) for death in "01" for unit in UNIT.categories
    )
    plan = plan_labels(schema(DEATH, UNIT), JOINT, n_stays=600, ratios=strata, seed=0)
    assert label_joint(plan.codes, schema(DEATH, UNIT)).tolist() == [[100] * 3] * 2
    assert plan.warnings == ()


def test_two_marginals_are_both_exact() -> None:
    out = counts({"death": "balanced", "unit": {"MICU": 0.2, "SICU": 0.3, "CCU": 0.5}}, 1001)
    assert sorted(out["death"].values()) == [500, 501]
    assert list(out["unit"].values()) == [200, 300, 501] or list(out["unit"].values()) == [200, 301, 500]


def test_a_combination_never_seen_is_allowed_with_a_warning() -> None:
    joint = np.array([[500, 300, 100], [60, 30, 0]])
    plan = plan_labels(
        schema(DEATH, UNIT),
        joint,
        n_stays=10,
        ratios=(Stratum(labels={"death": "1", "unit": "CCU"}, ratio=1.0),),
        seed=0,
    )
    assert label_joint(plan.codes, schema(DEATH, UNIT))[1, 2] == 10
    assert "death=1, unit=CCU" in plan.warnings[0]


def test_marginals_that_only_unseen_combinations_can_meet() -> None:
    joint = np.array([[500, 300, 0], [0, 0, 0]])
    assert counts({"death": "balanced", "unit": {"CCU": 1.0}}, 10, joint=joint)["death"] == {"0": 5, "1": 5}


def test_order_is_shuffled_and_depends_on_the_seed_only() -> None:
    first, again, other = (
        plan_labels(schema(DEATH), JOINT.sum(1), n_stays=100, ratios="balanced", seed=seed).codes for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()
    assert 15 < first[:50].sum() < 35


def test_a_schema_without_labels_has_nothing_to_plan() -> None:
    assert plan_labels(schema(), np.array(50), n_stays=7, ratios=None, seed=0).codes.shape == (7, 0)
    with pytest.raises(RatioError):
        plan_labels(schema(), np.array(50), n_stays=7, ratios="balanced", seed=0)


def test_a_rare_free_label_is_not_rounded_away_in_every_cell() -> None:
    unit = Label(name="unit", categories=tuple("abcdefghijkl"))
    joint = np.tile([[950], [50]], 12)
    plan = plan_labels(schema(DEATH, unit), joint, n_stays=100, ratios={"unit": "balanced"}, seed=0)
    out = count_labels(plan.codes, schema(DEATH, unit))
    assert out["death"] == {"0": 95, "1": 5}
    assert set(out["unit"].values()) == {8, 9}


@pytest.mark.parametrize("n_stays", [7, 10_000, 100_000, 1_000_000])
def test_marginals_are_exact_where_raking_cannot_reach_them(n_stays: int) -> None:
    """Who dies in the ICU dies in the hospital, so that "both balanced" leaves no room for the off-diagonal cells."""
    icu = Label(name="icu_death", categories=("0", "1"))
    ratios: LabelRatios = {"death": "balanced", "icu_death": "balanced"}
    plan = plan_labels(schema(DEATH, icu), np.array([[900, 0], [40, 60]]), n_stays=n_stays, ratios=ratios, seed=0)
    for counts_of_label in count_labels(plan.codes, schema(DEATH, icu)).values():
        assert list(counts_of_label.values()) == [n_stays - n_stays // 2, n_stays // 2]


def test_raking_reaches_the_marginals_and_keeps_the_odds_ratio() -> None:
    table = np.array([[40.0, 10.0], [20.0, 30.0]])
    fitted = rake(table, [np.array([0.1, 0.9]), np.array([0.5, 0.5])])
    assert np.allclose(fitted.sum(1), [0.1, 0.9])
    assert np.allclose(fitted.sum(0), [0.5, 0.5])
    assert fitted[0, 0] * fitted[1, 1] / fitted[0, 1] / fitted[1, 0] == pytest.approx(40 * 30 / 10 / 20)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda r: sum(r) > 0.01), st.integers(0, 10_000))
def test_largest_remainder_adds_up_and_is_within_one(ratios: list[float], n: int) -> None:
    shares = n * np.array(ratios) / sum(ratios)
    rounded = largest_remainder(np.array(ratios), n)
    assert rounded.sum() == n
    assert (np.abs(rounded - shares) < 1 + 1e-6).all()


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_any_two_marginals_are_exact(n: int, death: float, micu: float, sicu: float) -> None:
    unit = np.array([micu, sicu * (1 - micu), (1 - sicu) * (1 - micu)])
    ratios: LabelRatios = {
        "death": {"0": 1 - death, "1": death},
        "unit": dict(zip(UNIT.categories, unit.tolist(), strict=True)),
    }
    out = counts(ratios, n)
    assert list(out["death"].values()) == largest_remainder(np.array([1 - death, death]), n).tolist()
    assert list(out["unit"].values()) == largest_remainder(unit, n).tolist()
