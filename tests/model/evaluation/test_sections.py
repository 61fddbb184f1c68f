from collections.abc import Callable

import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import Comparison, compared
from model.evaluation.measure import never
from model.evaluation.report import evaluate
from model.evaluation.sections import fidelity_measures, only_privacy, privacy_measures, sections
from model.evaluation.space import no_tick
from model.spec.errors import Cancelled
from model.spec.report import PRIVACY_METRICS, EvaluationOptions, MetricName


def broken(*_: object, **__: object) -> float:
    raise ZeroDivisionError("value 37.2 of patient 4711")


def sides(ward: Callable[..., Stays], codec: Codec, *metrics: MetricName) -> Comparison:
    options = EvaluationOptions(metrics=metrics or None)
    return compared(codec, ward(150, 1), ward(60, 2), ward(60, 3), reference=None, options=options, imputed=False)


def test_whether_only_privacy_is_asked_for() -> None:
    assert only_privacy(EvaluationOptions(metrics=("nndr", "dcr_share")))
    assert not only_privacy(EvaluationOptions(metrics=("nndr", "mmd")))
    assert not only_privacy(EvaluationOptions())


def test_tables_and_plots_are_shown_unless_only_privacy_is_asked_for(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    whole = sections(sides(ward, ward_codec), None, cancelled=never)
    assert whole.projection is not None
    assert [one.name for one in whole.transitions] == ["rhythm", "temperature measured", "heart_rate measured"]
    assert (whole.rules, whole.distances, whole.notes) == ((), (), ())
    few = sections(sides(ward, ward_codec, "nndr"), None, cancelled=never)
    assert (few.projection, few.transitions, few.co_missingness) == (None, (), None)


def test_a_section_that_breaks_is_noted_and_quotes_nothing(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.evaluation.sections.projection", broken)
    found = sections(sides(ward, ward_codec), None, cancelled=never)
    assert found.projection is None
    assert found.transitions
    assert len(found.notes) == 1
    assert "the map of whole stays" in found.notes[0]
    assert "ZeroDivisionError at test_sections.py" in found.notes[0]
    assert "4711" not in found.notes[0]


def test_a_cancel_stops_the_sections(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    with pytest.raises(Cancelled):
        sections(sides(ward, ward_codec), None, cancelled=lambda: True)


def test_the_privacy_tests_that_are_asked_for(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    one = sides(ward, ward_codec, "mmd")
    assert privacy_measures(ward_codec, ward(50, 1), ward(50, 2), ward(50, 3), one) == (None, [])
    one = sides(ward, ward_codec, "nndr")
    space, measures = privacy_measures(ward_codec, ward(50, 1), ward(50, 2), ward(50, 3), one)
    assert space is not None
    assert {measure.name for measure in measures} == PRIVACY_METRICS


def test_privacy_tests_that_cannot_be_prepared_fail_one_by_one(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.evaluation.sections.privacy_space", broken)
    options = EvaluationOptions(metrics=("marginal_ks", *sorted(PRIVACY_METRICS)))
    report = evaluate(codec=ward_codec, train=ward(150, 1), holdout=ward(60, 2), synthetic=ward(60, 3), options=options)
    assert {s.status for s in report.scores if s.name in PRIVACY_METRICS} == {"failed"}
    assert report.privacy.status == "not_evaluated"
    assert [s.status for s in report.scores if s.name == "marginal_ks"] == ["ok"]
    assert "4711" not in report.model_dump_json()


def test_fidelity_comes_with_what_the_holdout_scores(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    measures = {measure.name: measure for measure in fidelity_measures(sides(ward, ward_codec))}
    figure = measures["marginal_ks"].compute(no_tick)
    assert not isinstance(figure, float)
    assert figure.holdout_value is not None
