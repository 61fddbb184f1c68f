import xml.etree.ElementTree as ET

import pytest

from model.evaluation.plots import correlation_plot, distribution_plot, missing_plot
from model.spec.report import Correlations, Distribution, FeatureReport


def told(*shares: float, missing: tuple[float, ...] = (0.0, 0.5)) -> Distribution:
    return Distribution(n_values=10, shares=shares, quantiles={"50": 1.5}, missing_rate=0.25, missing_by_step=missing)


NUMERICAL = FeatureReport(
    name="heart <rate>",
    type="numerical",
    unit="/min",
    edges=(0, 1, 3),
    synthetic=told(0.5, 0.5),
    training=told(0.4, 0.6),
)
CATEGORICAL = FeatureReport(
    name="rhythm", type="categorical", categories=("a < b", "c"), synthetic=told(0.5, 0.5), holdout=told(1, 0)
)


@pytest.mark.parametrize("feature", [NUMERICAL, CATEGORICAL])
def test_plots_are_well_formed_and_the_same_each_time(feature: FeatureReport) -> None:
    for plot in (distribution_plot, missing_plot):
        svg = plot(feature, key="k")
        assert svg is not None
        assert svg == plot(feature, key="k")
        assert ET.fromstring(svg).tag == "svg"
        assert "http" not in svg


def test_plots_that_stand_on_one_page_share_no_id() -> None:
    ids = [
        {element.attrib["id"] for element in ET.fromstring(svg).iter() if "id" in element.attrib}
        for key in ("a", "b")
        if (svg := distribution_plot(NUMERICAL, key=key))
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_names_appear_as_they_are() -> None:
    svg = distribution_plot(CATEGORICAL, key="k")
    assert svg is not None
    assert "a < b" in "".join(ET.fromstring(svg).itertext())
    one = distribution_plot(NUMERICAL, key="k")
    assert one is not None
    assert (ET.fromstring(one).attrib["aria-label"]).startswith("Distribution of heart <rate>. Medians: synthetic 1.5;")


def test_nothing_to_draw_is_no_plot() -> None:
    nothing = Distribution(n_values=0, shares=(), missing_rate=0, missing_by_step=(0.0,))
    empty = FeatureReport(name="x", type="numerical", synthetic=nothing)
    assert distribution_plot(empty, key="k") is None
    assert missing_plot(empty, key="k") is None
    assert correlation_plot(Correlations(names=("a",), synthetic=((1.0,),)), key="k") is None


def test_correlations_are_drawn_with_and_without_training_and_with_gaps() -> None:
    matrix = ((1.0, None), (None, 1.0))
    alone = correlation_plot(Correlations(names=("a", "b"), synthetic=matrix), key="k")
    both = correlation_plot(Correlations(names=("a", "b"), synthetic=matrix, training=((1, 0.5), (0.5, 1))), key="k")
    assert alone is not None
    assert both is not None
    assert "at most 0.00" in ET.fromstring(both).attrib["aria-label"]
    assert len(both) > len(alone)
