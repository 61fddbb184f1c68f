from model.evaluation.page.cards import MAX_COURSES, MAX_PLOTTED, cards
from model.spec.figures import FeatureReport, Trajectory
from tests.model.evaluation.page.building import built_report


def test_every_feature_has_a_card_and_the_most_different_have_plots() -> None:
    report = built_report(n_more=MAX_PLOTTED)
    odd = report.features[-1].model_copy(update={"distance": 0.9})
    made = cards(report.model_copy(update={"features": (*report.features[:-1], odd)}))
    assert len(made) == MAX_PLOTTED + 8
    assert sum(bool(card.plots) for card in made) == MAX_PLOTTED
    assert made[-1].plots


def test_courses_start_with_all_stays_and_are_no_more_than_a_few() -> None:
    courses = tuple(
        Trajectory(side="synthetic", label="l", category=str(k), low=(1,), median=(2,), high=(3,)) for k in range(9)
    )
    everyone = Trajectory(side="synthetic", low=(1,), median=(2,), high=(3,))
    feature = built_report().features[0].model_copy(update={"trajectories": (*courses, everyone)})
    card = cards(built_report().model_copy(update={"features": (feature,)}))[0]
    assert len(card.courses) == MAX_COURSES
    assert card.courses[0].caption == "course in all stays"
    assert "Courses in 4 more label categories are not drawn." in card.absent


def test_a_feature_of_which_nothing_is_known_says_so() -> None:
    report = built_report().model_copy(update={"features": (FeatureReport(name="x", type="numerical"),)})
    card = cards(report)[0]
    assert not card.plots
    assert card.absent[:2] == ("No values, or too few to show.", "Never missing.")
    assert card.absent[2].startswith("No course over time")
