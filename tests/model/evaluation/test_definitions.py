from typing import get_args

import pytest

from model.evaluation.definitions import (
    CLASSIFIERS,
    DEFINITIONS,
    PRIVACY_VERDICTS,
    QUESTIONS,
    VERDICTS,
    verdict,
    verdict_words,
)
from model.spec.report import PRIVACY_METRICS, Classifier, Group, MetricName, Verdict


def test_every_figure_group_and_verdict_has_its_words() -> None:
    assert set(DEFINITIONS) == set(get_args(MetricName))
    assert set(QUESTIONS) == set(get_args(Group))
    assert {one.group for one in DEFINITIONS.values()} == set(QUESTIONS)
    assert set(VERDICTS) == set(PRIVACY_VERDICTS) == set(get_args(Verdict))
    assert set(CLASSIFIERS) == set(get_args(Classifier))
    assert {name for name, one in DEFINITIONS.items() if one.group == "privacy"} == PRIVACY_METRICS
    titles = [one.title for one in DEFINITIONS.values()]
    assert len(titles) == len(set(titles))
    assert all(0 <= one.near < one.far and one.weight > 0 for one in DEFINITIONS.values())


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_real_stays_score_is_like_real(name: MetricName) -> None:
    if name == "trtr":
        assert verdict(name, 0.7, None) is None
    else:
        assert verdict(name, 0.5, 0.5) == "like_real"


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_worse_a_figure_the_worse_its_verdict(name: MetricName) -> None:
    one = DEFINITIONS[name]
    if name == "trtr":
        return
    sign = -1 if one.better == "higher" else 1
    found = [verdict(name, 0.5 + sign * excess, 0.5) for excess in (one.near * 0.99, one.far * 0.99, one.far + 1e-3)]
    assert found == ["like_real", "close", "different"]


def test_a_test_of_the_gate_is_different_exactly_where_the_gate_holds_the_cohort() -> None:
    assert verdict("dcr_share", 0.9, 0.5, gate_low=0.54, threshold=0.55) == "close"
    assert verdict("dcr_share", 0.56, 0.5, gate_low=0.551, threshold=0.55) == "different"
    assert verdict("dcr_share", 0.5, 0.5, gate_low=0.45, threshold=0.55) == "like_real"
    assert verdict("exact_copies", 0.1, 0.0, threshold=0.0) == "different"


def test_fewer_stays_near_to_training_patients_than_chance_are_no_fault() -> None:
    assert verdict("dcr_share", 0.3, 0.5) == "like_real"
    assert verdict("membership_auc", 0.4, None) == "like_real"


def test_privacy_has_words_of_its_own() -> None:
    assert verdict_words("privacy", "like_real") == "no closer than real patients are to each other"
    assert verdict_words("values", "like_real") == "like real stays"
