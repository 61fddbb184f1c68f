import pytest

from model.evaluation.privacy import privacy_verdict
from model.evaluation.privacy.copies import CONTROL
from model.evaluation.privacy.verdict import NECESSARY
from model.evaluation.space import Figure
from model.spec.privacy import PrivacyThresholds
from model.spec.report import Score
from tests.model.evaluation.privacy.conftest import score_of

LIMITS = PrivacyThresholds()
HARMLESS = {"exact_copies": 0.0, "near_copies": 0.0, "dcr_share": 0.5, "dcr_tail_share": 0.5, "membership_auc": 0.5}


def harmless() -> list[Score]:
    return [score_of(name, Figure(HARMLESS.get(name, 0.0), threshold=0.5, gate_low=0.0)) for name in NECESSARY]


def test_passed_where_every_test_was_made_and_none_failed() -> None:
    verdict = privacy_verdict(harmless(), thresholds=LIMITS)
    assert (verdict.status, verdict.n_tests) == ("passed", len(NECESSARY))


def test_held_where_the_stricter_bound_is_above_the_threshold() -> None:
    doubtful = Figure(0.7, low=0.6, threshold=0.55, gate_low=0.54)
    certain = doubtful._replace(gate_low=0.56)
    assert privacy_verdict([*harmless(), score_of("membership_density_auc", doubtful)], thresholds=LIMITS).status == (
        "passed"
    )
    verdict = privacy_verdict([*harmless(), score_of("membership_density_auc", certain)], thresholds=LIMITS)
    assert verdict.status == "held"
    assert "membership inference by density ratio: 0.700, at least 0.560" in verdict.reason
    assert verdict.failed[0].threshold == 0.55


def test_the_settings_decide_and_not_the_thresholds_that_were_told() -> None:
    strict = PrivacyThresholds(near_copies=0.0)
    score = score_of("near_copies", Figure(0.004, threshold=0.005, gate_low=0.003))
    rest = [one for one in harmless() if one.name != "near_copies"]
    assert privacy_verdict([*rest, score], thresholds=LIMITS).status == "passed"
    assert privacy_verdict([*rest, score], thresholds=strict).status == "held"


def test_whom_a_failed_test_is_about_is_said() -> None:
    figure = Figure(0.1, threshold=0.005, gate_low=0.05)
    scores = [
        score_of("near_copies", figure, label="death", category="1"),
        score_of("near_copies", figure, feature="sbp"),
    ]
    verdict = privacy_verdict([*harmless(), *scores], thresholds=LIMITS)
    assert [test.about for test in verdict.failed] == ["stays with death = 1", "sbp"]
    assert "near copies of real stays (stays with death = 1): 10.00%" in verdict.reason


def test_figures_without_a_threshold_are_no_tests() -> None:
    verdict = privacy_verdict([*harmless(), score_of("nndr", Figure(0.1))], thresholds=LIMITS)
    assert (verdict.status, verdict.n_tests) == ("passed", len(NECESSARY))


@pytest.mark.parametrize("name", NECESSARY)
def test_a_test_that_was_not_asked_for_leaves_the_verdict_open(name: str) -> None:
    verdict = privacy_verdict([one for one in harmless() if one.name != name], thresholds=LIMITS)
    assert verdict.status == "not_evaluated"
    assert "not asked for" in verdict.reason


def test_a_broken_test_leaves_the_verdict_open_unless_another_failed() -> None:
    broken = Score.model_validate(
        {**score_of("nnaa_loss", None, reason="the computation broke").model_dump(), "status": "failed"}
    )
    assert privacy_verdict([*harmless(), broken], thresholds=LIMITS).status == "not_evaluated"
    held = score_of("near_copies", Figure(0.1, threshold=0.005, gate_low=0.05), feature="sbp")
    assert privacy_verdict([*harmless(), broken, held], thresholds=LIMITS).status == "held"


def test_without_the_dataset_nothing_is_decided_and_without_a_holdout_the_copies_decide() -> None:
    gone = [score_of(name, None, reason="the real stays are not stored here") for name in NECESSARY]
    verdict = privacy_verdict(gone, thresholds=LIMITS)
    assert (verdict.status, verdict.n_tests) == ("not_evaluated", 0)
    assert "not stored" in verdict.reason
    copies = [one for one in harmless() if one.name in ("exact_copies", "near_copies")]
    rest = [score_of(name, None, reason="no holdout") for name in NECESSARY[2:]]
    verdict = privacy_verdict([*copies, *rest], thresholds=LIMITS)
    assert verdict.status == "passed"
    assert "nothing more could be tested because no holdout" in verdict.reason


def test_a_necessary_test_that_was_impossible_is_named_where_the_rest_passed() -> None:
    rest = [one for one in harmless() if one.name != "dcr_tail_share"]
    missing = score_of("dcr_tail_share", None, reason="fewer than 100 synthetic stays")
    verdict = privacy_verdict([*rest, missing], thresholds=LIMITS)
    assert verdict.status == "passed"
    assert verdict.reason.endswith("among the closest stays (fewer than 100 synthetic stays).")


def test_no_score_at_all_is_no_pass() -> None:
    assert privacy_verdict([], thresholds=LIMITS).status == "not_evaluated"


def test_a_control_is_named_as_such() -> None:
    scores = [one.model_copy(update={"sample": CONTROL}) for one in harmless()]
    assert "control" in privacy_verdict(scores, thresholds=LIMITS).reason
