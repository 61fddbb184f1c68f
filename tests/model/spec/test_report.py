from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from model.spec.figures import Correlations, LabelReport
from model.spec.privacy import PrivacyVerdict
from model.spec.report import EvaluationOptions, Report, Score, Subject


def score(**changes: object) -> Score:
    known: dict[str, object] = {
        "name": "mmd",
        "title": "Whole stays",
        "group": "likeness",
        "status": "ok",
        "value": 0.02,
        "ideal": 0,
        "better": "lower",
        "meaning": "a distance",
    }
    return Score.model_validate(known | changes)


def report(*scores: Score, labels: int = 1) -> Report:
    return Report(
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        kind="cohort",
        title="A cohort",
        n_stays=10,
        n_evaluated=10,
        n_training=None,
        n_holdout=None,
        sequence_length=4,
        labels=tuple(LabelReport(name=f"label {k}", obtained={"0": 10}) for k in range(labels)),
        privacy=PrivacyVerdict(status="not_evaluated", reason="nobody looked"),
        scores=scores,
        features=(),
        correlations=Correlations(names=(), synthetic=()),
        provenance={},
        notes=(),
        seconds={},
    )


def test_a_score_without_a_value_needs_another_status_and_a_reason() -> None:
    with pytest.raises(ValidationError, match="status 'ok'"):
        score(value=None)
    with pytest.raises(ValidationError, match="needs a reason"):
        score(status="failed", value=None)
    with pytest.raises(ValidationError, match="status 'ok'"):
        score(status="not_available", reason="no holdout")
    assert score(status="not_available", value=None, reason="no holdout").value is None


def test_a_score_is_a_finite_number() -> None:
    with pytest.raises(ValidationError):
        score(value=float("nan"))


def test_the_headline_has_what_could_be_computed() -> None:
    failed = score(name="c2st_mlp", status="failed", value=None, reason="it broke")
    assert report(score(), failed).headline() == {"mmd": 0.02}


def test_the_headline_names_the_label_where_there_are_several() -> None:
    tstr = score(name="tstr", label="label 0", value=0.7)
    assert report(tstr).headline() == {"tstr": 0.7}
    assert report(tstr, labels=2).headline() == {"tstr[label 0]": 0.7}


def test_the_headline_leaves_single_vitals_and_categories_to_the_report() -> None:
    of_all = score(name="dcr_share", value=0.5)
    of_a_vital = of_all.model_copy(update={"feature": "map"})
    of_a_category = of_all.model_copy(update={"label": "death", "category": "1"})
    transformer = score(name="tstr", label="label 0", classifier="transformer", value=0.6)
    assert report(of_all, of_a_vital, of_a_category, transformer).headline() == {
        "dcr_share": 0.5,
        "tstr_transformer": 0.6,
    }
    assert [one.key for one in (of_a_vital, of_a_category)] == ["dcr_share[map]", "dcr_share[death,1]"]


def test_a_report_survives_json() -> None:
    one = report(score())
    assert Report.model_validate_json(one.model_dump_json()) == one


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValidationError, match="metrics"):
        EvaluationOptions.model_validate({"metrics": ["beauty"]})
    assert EvaluationOptions().metrics is None


def test_a_subject_needs_nothing() -> None:
    assert Subject().kind == "cohort"
