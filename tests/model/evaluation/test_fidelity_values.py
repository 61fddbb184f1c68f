from typing import Literal

import numpy as np
import pytest

from model.evaluation.fidelity_values import Known, share_that_holds, value_of
from model.evaluation.rules import ALL_RULES
from model.evaluation.space import NotAvailable
from model.spec.figures import Conditional, Distribution, FeatureReport, RuleReport
from model.spec.report import MetricName

Kind = Literal["numerical", "categorical"]


def told(
    *, missing: tuple[float | None, ...] = (0, 0), runs: tuple[float, ...] = (), tails: tuple[float | None, ...] = ()
) -> Distribution:
    quantiles = dict(zip(("0.1", "99.9"), tails, strict=False))
    rate = float(np.mean([one for one in missing if one is not None]))
    return Distribution(
        n_values=1, shares=(1,), quantiles=quantiles, missing_rate=rate, missing_by_step=missing, missing_runs=runs
    )


def feature(
    synthetic: Distribution | None, training: Distribution | None, *, kind: Kind = "numerical", **more: object
) -> FeatureReport:
    report = FeatureReport(name="x", type=kind, synthetic=synthetic, training=training, holdout=synthetic)
    return report.model_copy(update=more)


def known(
    *features: FeatureReport,
    units: tuple[float | None, ...] = (),
    n: int = 100,
    side: Literal["synthetic", "holdout"] = "synthetic",
) -> Known:
    return Known(side, n, n, features, (), units, None, None)


def test_tails_are_in_training_deviations() -> None:
    first = feature(told(tails=(30, 45)), told(tails=(35, 40)))
    second = feature(told(tails=(0, 0)), told(tails=(0, None)))
    assert value_of("tails", known(first, second, units=(5.0, 1.0))) == pytest.approx((1 + 1 + 0) / 3)
    assert value_of("tails", known(first, second, units=(5.0, None))) == pytest.approx(1)
    with pytest.raises(NotAvailable, match="rarest"):
        value_of("tails", known(second, units=()))


def test_missing_rates_are_compared_step_by_step() -> None:
    first = feature(told(missing=(0.5, 0.1)), told(missing=(0.1, 0.5)))
    second = feature(told(missing=(0.2, 0.2)), told(missing=(0.2, 0.2)), kind="categorical")
    assert value_of("missing_rate_mae", known(first, second)) == pytest.approx(0.2)
    assert value_of("missing_rate_mae", known(second)) == 0
    with pytest.raises(NotAvailable, match="no feature"):
        value_of("missing_rate_mae", known())


def test_a_step_that_no_stay_lasts_until_is_not_compared() -> None:
    synthetic, training = told(missing=(0.5, 1, None, None)), told(missing=(0.1, None, 0.95, None))
    assert value_of("missing_rate_mae", known(feature(synthetic, training))) == pytest.approx(0.4)
    assert value_of("missing_rate_mae", known(feature(training, synthetic))) == pytest.approx(0.4)


def test_gaps_are_compared_where_there_are_any() -> None:
    first = feature(told(runs=(1, 0, 0, 0, 0, 0)), told(runs=(0.5, 0.5, 0, 0, 0, 0)))
    without = feature(told(), told())
    assert value_of("missing_runs", known(first, without)) == pytest.approx(0.5)
    with pytest.raises(NotAvailable, match="nothing is missing"):
        value_of("missing_runs", known(without))


@pytest.mark.parametrize("name", ["missing_rate_mae", "missing_runs"])
def test_gaps_of_few_real_stays_are_not_compared(name: MetricName) -> None:
    some = known(feature(told(runs=(1, 0, 0, 0, 0, 0)), told(runs=(1, 0, 0, 0, 0, 0))), n=10)
    for side in (some, some._replace(n_training=100, side="holdout")):
        with pytest.raises(NotAvailable, match="fewer than 11"):
            value_of(name, side)
    assert value_of(name, some._replace(n_training=11)) == 0


def test_distances_are_means_over_what_is_known() -> None:
    parts = tuple(
        Conditional(label="y", category=c, n_synthetic=9, distance=d) for c, d in (("a", 0.2), ("b", None), ("c", 0.4))
    )
    first = feature(None, None, wasserstein=0.5, holdout_wasserstein=0.1, by_label=parts)
    second = feature(None, None, wasserstein=None)
    assert value_of("wasserstein", known(first, second)) == 0.5
    assert value_of("wasserstein", known(first, second, side="holdout")) == 0.1
    assert value_of("conditional_distance", known(first, second)) == pytest.approx(0.3)
    with pytest.raises(NotAvailable, match="enough stays"):
        value_of("conditional_distance", known(first, side="holdout"))
    with pytest.raises(NotAvailable, match="no label"):
        value_of("conditional_distance", known(second))
    with pytest.raises(NotAvailable, match="no numerical"):
        value_of("wasserstein", known(second))


def test_the_share_of_rows_is_that_of_all_rules_together() -> None:
    one = RuleReport(rule="a <= b", rows={"synthetic": 0.9, "holdout": None}, stays={})
    every = RuleReport(rule=ALL_RULES, rows={"synthetic": 0.8}, stays={})
    assert share_that_holds((one,), "synthetic") == 0.9
    assert share_that_holds((one, every), "synthetic") == 0.8
    with pytest.raises(NotAvailable, match="names no rules"):
        share_that_holds((), "synthetic")
    with pytest.raises(NotAvailable, match="too few"):
        share_that_holds((one,), "holdout")


def test_aggregates_that_are_not_at_hand_have_no_figure() -> None:
    with pytest.raises(NotAvailable, match="no stays"):
        value_of("total_variation", known())
