import xml.etree.ElementTree as ET

import pytest

from model.evaluation.page.feature_plots import (
    MAX_BARS,
    acf_plot,
    distribution_plot,
    missing_plot,
    runs_plot,
    trajectory_plot,
)
from model.spec.figures import Distribution, FeatureReport, Trajectory


def told(*shares: float, missing: tuple[float, ...] = (0.0, 0.5), runs: tuple[float, ...] = ()) -> Distribution:
    return Distribution(
        n_values=10,
        shares=shares,
        quantiles={"0.1": 0.1, "5": 0.2, "25": 1, "50": 1.5, "75": 2, "95": None, "99.9": 2.9},
        missing_rate=sum(missing) / len(missing),
        missing_by_step=missing,
        missing_runs=runs,
    )


NUMERICAL = FeatureReport(
    name="heart <rate>",
    type="numerical",
    unit="/min",
    edges=(0, 1, 3),
    synthetic=told(0.5, 0.5, missing=(0.0, 0.4), runs=(0.5, 0.5, 0, 0, 0, 0)),
    training=told(0.4, 0.6, missing=(0.1, 0.1), runs=(0.2, 0.2, 0.2, 0.2, 0.1, 0.1)),
    distance=0.1,
    acf={"synthetic": (0.9, None, 0.5), "training": (None, None, None)},
    trajectories=(
        Trajectory(side="synthetic", label="d", category="1", low=(1, None), median=(2, 3), high=(3, 4)),
        Trajectory(side="training", label="d", category="1", low=(None, None), median=(None, None), high=(None, None)),
    ),
)
NOTHING = Distribution(n_values=0, shares=(), missing_rate=0, missing_by_step=(0.0,))
EMPTY = FeatureReport(name="x", type="numerical", synthetic=NOTHING)


def words(svg: str | None) -> str:
    assert svg is not None
    return ET.fromstring(svg).attrib["aria-label"]


def test_a_distribution_in_words_says_where_the_values_lie_and_how_alike_they_are() -> None:
    said = words(distribution_plot(NUMERICAL))
    assert said.startswith("Distribution of heart <rate>. The outlines differ visibly. Medians: synthetic 1.5;")
    assert "All but the rarest 0.2 %: synthetic 0.1 to 2.9" in said


def test_an_outline_has_the_area_of_its_shares() -> None:
    svg = distribution_plot(NUMERICAL)
    assert svg is not None
    outline = next(path for path in ET.fromstring(svg).findall("path") if path.attrib["class"] == "l training")
    assert outline.attrib["d"].count("H") == 2


def test_categories_are_bars_and_the_rarest_of_many_are_left_out_with_a_word() -> None:
    n = MAX_BARS + 5
    shares = tuple(k / sum(range(n)) for k in range(n))
    feature = FeatureReport(
        name="rhythm", type="categorical", categories=tuple(f"c{k}" for k in range(n)), synthetic=told(*shares)
    )
    svg = distribution_plot(feature)
    assert svg is not None
    assert "5 rarer categories are not drawn" in svg
    assert ">c16<" in svg
    assert ">c0<" not in svg


def test_missing_values_say_where_synthetic_and_training_differ_most() -> None:
    said = words(missing_plot(NUMERICAL))
    assert "synthetic 20.0%; real, training 10.0%" in said
    assert "differ most at step 1, by 30.0%" in said


def test_gaps_say_how_many_are_long() -> None:
    assert "five steps or more: synthetic 0.0%; real, training 40.0%" in words(runs_plot(NUMERICAL))


def test_autocorrelations_skip_what_cannot_tell() -> None:
    assert words(acf_plot(NUMERICAL)).endswith("one step apart and farthest: synthetic 0.90 and 0.50.")


def test_a_course_is_that_of_its_stays_only() -> None:
    said = words(trajectory_plot(NUMERICAL, label="d", category="1"))
    assert said == "Course of heart <rate> in stays with d = 1. Median from first to last step: synthetic 2 to 3."
    assert trajectory_plot(NUMERICAL, label=None, category=None) is None


@pytest.mark.parametrize("plot", [distribution_plot, missing_plot, runs_plot, acf_plot])
def test_nothing_to_draw_is_no_plot(plot: object) -> None:
    assert callable(plot)
    assert plot(EMPTY) is None
    assert plot(FeatureReport(name="x", type="categorical")) is None


def test_a_single_bin_and_a_single_step_can_be_drawn() -> None:
    one = FeatureReport(name="x", type="numerical", edges=(1, 1.1), synthetic=told(1.0, missing=(0.5,)))
    assert distribution_plot(one) is not None
    assert "circle" in (missing_plot(one) or "")
    single = Trajectory(side="synthetic", low=(5,), median=(5,), high=(5,))
    constant = one.model_copy(update={"trajectories": (single,)})
    assert "5 to 5" in words(trajectory_plot(constant, label=None, category=None))


def test_bins_without_width_and_shares_of_no_length_are_no_error() -> None:
    odd = FeatureReport(name="x", type="numerical", edges=(1, 1), synthetic=told(1.0))
    assert words(distribution_plot(odd)).startswith("Distribution of x")
