import xml.etree.ElementTree as ET

from model.evaluation.page.matrix_plots import MAX_NAMES, correlation_plots, projection_plots, transition_plots
from model.spec.figures import Correlations, Projection, Transitions


def words(svg: str) -> str:
    return ET.fromstring(svg).attrib["aria-label"]


def test_correlations_are_two_maps_and_their_difference() -> None:
    one = Correlations(names=("a", "b"), synthetic=((1, 0.5), (0.5, 1)), training=((1, 0.2), (0.2, 1)))
    drawn = correlation_plots(one, what="Correlations")
    assert drawn is not None
    assert [panel.caption for panel in drawn.panels] == [
        "synthetic",
        "real, training",
        "synthetic minus training (full colour at \u00b10.5)",
    ]
    assert words(drawn.panels[0].svg).endswith("Farthest from 0: a and b, 0.50.")
    assert "at most 0.30" in words(drawn.panels[2].svg)
    assert drawn.left_out == ""


def test_without_training_stays_there_is_one_map_and_gaps_are_told() -> None:
    drawn = correlation_plots(Correlations(names=("a", "b"), synthetic=((1, None), (None, 1))), what="Correlations")
    assert drawn is not None
    assert len(drawn.panels) == 1
    assert words(drawn.panels[0].svg).endswith("No pair of features has enough values.")


def test_one_feature_has_nothing_to_go_with() -> None:
    assert correlation_plots(Correlations(names=("a",), synthetic=((1,),)), what="Correlations") is None
    assert correlation_plots(None, what="Correlations") is None


def test_of_many_features_those_that_differ_most_are_drawn() -> None:
    n = MAX_NAMES + 10
    names = tuple(f"f{k}" for k in range(n))
    zero = tuple((0.0,) * n for _ in range(n))
    last = tuple(tuple(0.5 if k == n - 1 or j == n - 1 else 0.0 for j in range(n)) for k in range(n))
    drawn = correlation_plots(Correlations(names=names, synthetic=last, training=zero), what="Correlations")
    assert drawn is not None
    assert drawn.left_out.startswith(f"Drawn for the {MAX_NAMES} of {n} features that differ most")
    assert f">f{n - 1}<" in drawn.panels[0].svg


def test_transitions_say_how_often_a_category_stays() -> None:
    drawn = transition_plots(Transitions(name="rhythm", categories=("a", "b"), synthetic=((0.9, 0.1), (None, None))))
    assert drawn is not None
    assert words(drawn.panels[0].svg).endswith("How often a category stays: a 90.0%.")
    assert transition_plots(Transitions(name="x", categories=(), synthetic=())) is None


def test_a_projection_says_how_far_the_clouds_overlap() -> None:
    edges = (0.0, 1.0, 2.0)
    one = Projection(
        explained=(0.5, 0.2),
        x_edges=edges,
        y_edges=edges,
        synthetic=((0.5, 0.5), (0, 0)),
        training=((0.75, 0), (0, 0.25)),
    )
    drawn = projection_plots(one)
    assert drawn is not None
    assert words(drawn.panels[0].svg).endswith("overlap by 50.0%.")
    thin = one.model_copy(update={"synthetic": ((0.5, 0.5), (0.2, 0)), "training": ((0.75, 0), (0, 0.25))})
    again = projection_plots(thin)
    assert again is not None
    assert again.panels[0].svg == drawn.panels[0].svg  # a cell too thin to be told of real stays is not drawn
    nobody = one.model_copy(update={"synthetic": ((0, 0), (0, 0)), "training": ((0, 0), (0, 0))})
    assert projection_plots(nobody) is None
    assert projection_plots(None) is None
