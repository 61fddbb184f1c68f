from model.evaluation.page.summary import answers, gate_of, label_rows
from model.spec.figures import LabelReport
from model.spec.report import Report, Score
from tests.model.evaluation.page.building import bare, built_report, held, score


def with_scores(*scores: Score) -> Report:
    return built_report().model_copy(update={"scores": scores})


def test_an_answer_is_that_of_the_worst_figure_which_is_named() -> None:
    report = with_scores(score("marginal_ks", 0.01, 0.01), score("tails", 2.0, 0.1), score("correlation_mae", 0.9, 0.0))
    values = next(answer for answer in answers(report) if answer.group == "values")
    assert values.verdict == "different"
    assert values.words == "different from real stays"
    assert values.lead is not None
    assert values.lead.name == "marginal_ks"
    assert values.worst == "Worse under this question: Extreme values (p0.1, p99.9) 2.000, real 0.1000 and 1 more."


def test_figures_that_were_not_asked_for_have_no_line_but_privacy_has() -> None:
    lines = answers(with_scores(score("c2st_mlp", 0.5, 0.5)))
    assert [line.group for line in lines] == ["privacy", "likeness"]
    assert lines[0].meaning == "None of 22 tests found the stays too close."


def test_a_failed_test_leads_its_line() -> None:
    line = answers(held(built_report()))[0]
    assert line.words == "held back"
    assert line.lead is not None
    assert line.lead.name == "near_copies"


def test_chance_among_single_vitals_does_not_colour_a_pass() -> None:
    report = with_scores(score("dcr_share", 0.5, 0.5), score("dcr_share", 0.56, 0.5, feature="spo2", gate_low=0.4))
    line = answers(report)[0]
    assert line.words == "passed: no closer than real patients are to each other"
    assert line.worst == ""


def test_a_figure_that_is_no_test_of_the_gate_is_named_and_does_not_contradict_it() -> None:
    line = answers(with_scores(score("dcr_share", 0.5, 0.5), score("nndr", 0.5, 0.9)))[0]
    assert line.words == "passed: a little closer than real patients are to each other"
    assert line.worst == "Worse under this question: One patient or several (NNDR) 0.500, real 0.900."


def test_what_real_stays_score_has_an_interval_for_utility() -> None:
    line = next(answer for answer in answers(built_report()) if answer.group == "usefulness")
    assert line.floor is not None
    assert line.floor.name == "trtr"
    assert line.floor.low is not None


def test_lines_without_a_figure_say_why() -> None:
    lines = answers(bare(built_report()))
    assert {line.meaning for line in lines} == {"The model's dataset is not stored here."}
    assert lines[0].words == "not evaluated"
    assert {line.words for line in lines[1:]} == {"not available"}


def test_a_passed_gate_has_no_list() -> None:
    assert gate_of(built_report()) == ("None of 22 tests found the stays too close.", (), ())


def test_a_reason_that_names_no_test_is_kept_and_the_first_tests_are_listed() -> None:
    report = held(built_report())
    verdict = report.privacy.model_copy(update={"reason": "Held: copies."})
    gate = gate_of(report.model_copy(update={"privacy": verdict}))
    assert gate.reason == "Held: copies."
    assert gate.named == report.privacy.failed


def test_labels_that_nobody_asked_for_and_empty_cohorts() -> None:
    rows = label_rows(LabelReport(name="d", obtained={"0": 0, "1": 0}))
    assert [(row.asked, row.share, row.training) for row in rows] == [(None, 0.0, None)] * 2
