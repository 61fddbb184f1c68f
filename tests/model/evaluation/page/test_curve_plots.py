import xml.etree.ElementTree as ET

import pytest

from model.evaluation.page.curve_plots import augmentation_plot, distance_plot, roc_plot
from model.spec.figures import Augmentation, DistanceHistogram, RocCurve


def words(svg: str | None) -> str:
    assert svg is not None
    return ET.fromstring(svg).attrib["aria-label"]


def test_distances_say_their_medians_and_how_many_are_closest() -> None:
    histogram = DistanceHistogram(
        title="Whole stays", edges=(0, 1, 2), synthetic_to_training=(0.25, 0.75), holdout_to_training=(1.0, 0.0)
    )
    said = words(distance_plot(histogram))
    assert "from synthetic to training 1.5; from kept aside to training 0.5" in said
    assert "25.0% of the synthetic stays are in the closest bin" in said


@pytest.mark.parametrize("edges", [(), (0.0,), (0.0, 1.0)])
def test_distances_of_nothing_are_no_plot(edges: tuple[float, ...]) -> None:
    assert distance_plot(DistanceHistogram(title="t", edges=edges, synthetic_to_training=(0.0,))) is None


def test_discriminators_say_their_area() -> None:
    rates = tuple(k / 100 for k in range(101))
    said = words(roc_plot([RocCurve(name="logistic regression", true_positive_rates=rates, auc=0.5)]))
    assert said.endswith("logistic regression 0.500.")
    assert words(roc_plot([RocCurve(name="c2st_mlp", true_positive_rates=rates, auc=0.5)])).endswith(
        "(C2ST MLP) 0.500."
    )
    assert roc_plot([]) is None


def test_mixtures_are_compared_with_the_real_stays_alone() -> None:
    row = Augmentation(
        label="death", n_real=960, n_synthetic=8640, real_share=0.1, value=0.74, low=0.73, high=0.75, real_only=0.7
    )
    svg = augmentation_plot([row])
    assert "960 real and 8,640 synthetic stays 0.740, the real ones alone 0.700" in words(svg)
    assert svg is not None
    filled, open_ = ET.fromstring(svg).findall("circle")
    assert float(filled.attrib["cx"]) > float(open_.attrib["cx"])
    assert augmentation_plot([]) is None
