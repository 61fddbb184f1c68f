import pytest

from model.evaluation.definitions import DEFINITIONS
from model.evaluation.page.sentences import in_words
from model.spec.report import MetricName
from tests.model.evaluation.page.building import score


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("dcr_share", 0.62, "Of 100 synthetic stays, 62 lie closer to a patient the model learned from"),
        ("membership_auc", 0.5, "points to the first 50 times in 100; 50 would be guessing."),
        ("exact_copies", 0.0, "no synthetic stay repeats a training patient's stay."),
        ("exact_copies", 1.0, "1,000 in 1,000 synthetic stays repeat a training patient's stay."),
        ("near_copies", 0.051, "51 in 1,000 synthetic stays cling to a single patient."),
        ("membership_excess", 0.002, "names 2 in 1,000 training patients beyond chance."),
        ("attribute_gain", -0.1, "is guessed no better than that of a patient never seen."),
        ("nnaa_loss", 0.02, "hide 2 points better"),
        ("c2st_lstm", 0.67, "67 times in 100; 50 would be guessing."),
        ("marginal_ks", 0.0175, "off by 1.8 percentage points (among real stays 1), averaged"),
        ("augmentation", -0.004, "falls by 0.004 on average."),
    ],
)
def test_a_figure_in_a_clinicians_words(name: MetricName, value: float, words: str) -> None:
    assert words in in_words(score(name, value, 0.01))


def test_usefulness_is_compared_with_real_stays_where_these_are_known() -> None:
    assert in_words(score("tstr", 0.74, 0.77, label="death")).endswith(
        "74 times in 100; learned from real stays, 77 times."
    )
    assert in_words(score("tstr", 0.74)).endswith("74 times in 100.")


def test_the_shape_of_a_course_is_told_as_a_ratio() -> None:
    assert "is 10 % farther than" in in_words(score("dtw", 1.1, 1.0))
    assert "is no farther than" in in_words(score("dtw", 0.9, 1.0))
    assert in_words(score("dtw", 1.0)).startswith("Distance from a stay's course")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_figure_has_a_sentence_and_one_that_is_not_there_has_its_reason(name: MetricName) -> None:
    assert in_words(score(name, 0.3, 0.2)).endswith(".")
    gone = score(name, None, status="not_available", reason="too few stays")
    assert in_words(gone) == "Too few stays."
