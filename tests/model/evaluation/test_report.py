from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import model
from model.data.codec import Codec
from model.data.split import split
from model.data.stays import Stays
from model.evaluation import utility
from model.evaluation.aggregates import AGGREGATE_METRICS
from model.evaluation.definitions import DEFINITIONS
from model.evaluation.matrices import from_matrix
from model.evaluation.reference import ReferenceStatistics, reference_statistics
from model.evaluation.render import render_html
from model.evaluation.report import evaluate
from model.spec.errors import Cancelled
from model.spec.report import PRIVACY_METRICS, EvaluationOptions, MetricName, Report, Score, Subject
from tests.model.evaluation.odd_tables import odd

pytestmark = pytest.mark.usefixtures("short_training_in_module")

BUNDLED = Path(model.__file__).parent / "bundled"
RNG = np.random.default_rng(0)
OTHERS = ("likeness", "usefulness", "privacy")
FIDELITY: tuple[MetricName, ...] = tuple(name for name, one in DEFINITIONS.items() if one.group not in OTHERS)
CHEAP = EvaluationOptions(metrics=(*FIDELITY, "mmd"))


@pytest.fixture(scope="module")
def reference(ward: Callable[..., Stays], ward_codec: Codec, short_training_in_module: None) -> ReferenceStatistics:
    return reference_statistics(ward_codec, ward(400, 1), ward(120, 2), utility_sizes=())


def by_name(report: Report) -> dict[tuple[str, str | None], Score]:
    """The figures of whole tables; of networks, the BiLSTM's."""
    whole = [s for s in report.scores if s.category is None and s.feature is None]
    return {(s.name, s.label): s for s in whole if s.classifier in (None, "bilstm")}


def test_a_whole_report(ward: Callable[..., Stays], ward_codec: Codec, reference: ReferenceStatistics) -> None:
    told: list[tuple[int, int]] = []
    subject = Subject(title="Ward", asked={"death": {"0": 84, "1": 36}}, provenance={"seed": 3}, notes=("Mind this.",))
    report = evaluate(
        codec=ward_codec,
        train=ward(400, 1),
        holdout=ward(120, 2),
        synthetic=ward(120, 3),
        reference=reference,
        subject=subject,
        progress=lambda _, value, maximum: told.append((value, maximum)),
    )
    whole = [score for score in report.scores if score.feature is None and score.category is None]
    missing = {score.name: score.reason for score in whole if score.status != "ok" and score.group != "privacy"}
    assert missing == {
        "rules": "the schema names no rules",
        "augmentation": "only in a full report",
        "stay_length": "it does not apply to a table of this schema",
    }
    keys = [score.key for score in report.scores]
    assert len(keys) == len(set(keys))
    assert {score.name for score in report.scores} == DEFINITIONS.keys()
    assert {"tstr[death]", "tstr_transformer[death]", "trts_cnn_lstm[sex]", "trtr[sex]"} <= set(keys)
    judged = [s for s in report.scores if s.status == "ok" and s.name != "trtr"]
    assert [s.key for s in judged if s.holdout_value is None] == []
    assert {s.holdout_value for s in judged if s.key in ("tstr[death]", "trts[death]")} == {
        next(s.value for s in report.scores if s.key == "trtr[death]")
    }
    assert report.headline()["total_variation"] < 0.1
    assert (report.n_stays, report.n_training, report.n_holdout) == (120, 400, 120)
    assert report.labels[0].asked == {"0": 84, "1": 36}
    assert sum(report.labels[0].obtained.values()) == 120
    assert report.features[0].synthetic is not None
    assert report.features[0].distance is not None
    assert report.notes[0] == "Mind this."
    assert report.privacy.status == "passed"
    assert [curve.name for curve in report.roc] == ["c2st_logistic", "c2st_mlp", "c2st_lstm"]
    assert [one.name for one in report.transitions] == ["rhythm", "temperature measured", "heart_rate measured"]
    assert report.projection is not None
    assert report.distances
    assert report.augmentation == ()
    assert report.provenance == {"seed": 3}
    assert told[-1][0] == told[-1][1]
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_the_training_stays_themselves_are_ideal(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(200, 1)
    report = evaluate(codec=ward_codec, train=stays, holdout=ward(100, 2), synthetic=stays, options=CHEAP)
    found = report.headline()
    assert 0 < found.pop("mmd") < 0.1  # samples of them
    assert 0 <= found.pop("dtw") < 0.3
    assert found.pop("missing_runs") < 0.03  # of the real stays, rounded shares are told
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-6)
    assert all(feature.distance == 0 for feature in report.features)


def test_without_the_dataset_marginal_and_temporal_figures_remain(
    ward: Callable[..., Stays], ward_codec: Codec, reference: ReferenceStatistics
) -> None:
    arguments = {"codec": ward_codec, "synthetic": ward(300, 3), "reference": reference}
    report = evaluate(train=None, holdout=None, **arguments)  # type: ignore[arg-type]
    whole = evaluate(train=ward(400, 1), holdout=ward(120, 2), options=CHEAP, **arguments)  # type: ignore[arg-type]
    scores = by_name(report)
    for name in ("marginal_ks", "total_variation", "correlation_mae", "transition_distance", "acf_mse"):
        assert scores[name, None].value == pytest.approx(whole.headline()[name], abs=0.02)
        assert scores[name, None].holdout_value is not None
    for name in ("mmd", "c2st_logistic", "c2st_mlp", "c2st_lstm"):
        assert scores[name, None].status == "not_available"
        assert scores[name, None].reason == "the model's dataset is not stored here"
        assert scores[name, None].holdout_value is not None
    assert scores["tstr", "death"].status == "not_available"
    assert report.privacy.status == "not_evaluated"
    assert scores["tstr", "death"].holdout_value == scores["trtr", "death"].value
    assert any("not stored here" in note for note in report.notes)


def test_without_anything_real_the_report_still_describes_the_stays(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    report = evaluate(codec=ward_codec, train=None, holdout=None, synthetic=ward(100, 3))
    assert {score.status for score in report.scores} == {"not_available"}
    assert all(score.reason for score in report.scores)
    assert all(feature.synthetic and feature.synthetic.n_values for feature in report.features)
    assert report.headline() == {}


def test_no_stays_at_all(ward: Callable[..., Stays], ward_codec: Codec, reference: ReferenceStatistics) -> None:
    report = evaluate(
        codec=ward_codec, train=ward(400, 1), holdout=ward(120, 2), synthetic=ward(0, 3), reference=reference
    )
    assert {(s.status, s.reason) for s in report.scores if s.name != "trtr"} == {
        ("not_available", "the table holds no stays")
    }
    assert {s.name for s in report.scores} == DEFINITIONS.keys()
    assert report.privacy.status == "not_evaluated"


@pytest.mark.parametrize("n", [1, 2, 12])
def test_very_few_stays(n: int, ward: Callable[..., Stays], ward_codec: Codec) -> None:
    report = evaluate(codec=ward_codec, train=ward(400, 1), holdout=ward(n, 2), synthetic=ward(n, 3))
    assert "failed" not in {score.status for score in report.scores}
    assert (by_name(report)["total_variation", None].status == "ok") == (n >= 11)


def test_filled_values_are_compared_with_filled_values(
    ward: Callable[..., Stays], ward_codec: Codec, reference: ReferenceStatistics
) -> None:
    filled = ward_codec.fill(ward(300, 3))
    arguments = {"codec": ward_codec, "synthetic": filled, "reference": reference, "options": CHEAP}
    report = evaluate(train=ward(400, 1), holdout=ward(120, 2), **arguments)  # type: ignore[arg-type]
    assert report.headline()["total_variation"] < 0.08  # the mark alone would give (0.2 + 0) / 3
    assert report.headline()["marginal_ks"] < 0.08
    assert any("filled in" in note for note in report.notes)
    gone = by_name(evaluate(train=None, holdout=None, **arguments))  # type: ignore[arg-type]
    assert gone["marginal_ks", None].status == "not_available"
    assert gone["total_variation", None].value == pytest.approx(report.headline()["total_variation"], abs=0.02)


@pytest.mark.parametrize(("imputed", "filled"), [(None, True), (True, True), (False, False)])
def test_whether_values_were_filled_is_what_the_caller_says(
    imputed: bool | None, filled: bool, ward: Callable[..., Stays], ward_codec: Codec, reference: ReferenceStatistics
) -> None:
    complete = ward_codec.fill(ward(300, 3))
    report = evaluate(
        codec=ward_codec,
        train=ward(400, 1),
        holdout=ward(120, 2),
        synthetic=complete,
        reference=reference,
        options=CHEAP,
        subject=Subject(imputed=imputed),
    )
    temperature = report.features[0]
    assert temperature.synthetic is not None
    assert temperature.training is not None
    assert temperature.synthetic.missing_rate == 0
    assert temperature.training.missing_rate == pytest.approx(0 if filled else 0.2, abs=0.03)
    assert any("filled in" in note for note in report.notes) == filled
    assert (report.headline()["total_variation"] > 0.05) != filled  # the mark alone gives (0.2 + 0) / 3


def test_filling_changes_no_report_where_nothing_was_missing(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward_codec.fill(ward(200, 1))
    reference = reference_statistics(ward_codec, stays, None, options=CHEAP)
    report = evaluate(
        codec=ward_codec,
        train=None,
        holdout=None,
        synthetic=stays,
        reference=reference,
        options=CHEAP,
        subject=Subject(imputed=True),
    )
    assert report.headline()["marginal_ks"] == 0
    assert not any("filled in" in note for note in report.notes)


def test_a_broken_figure_is_reported_and_the_others_go_on(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> float:
        raise ZeroDivisionError("value 37.2 of patient 4711")

    monkeypatch.setattr("model.evaluation.learned_measures.c2st", broken)
    options = EvaluationOptions(metrics=("acf_mse", "c2st_mlp"))
    report = evaluate(codec=ward_codec, train=ward(50, 1), holdout=ward(50, 2), synthetic=ward(50, 3), options=options)
    score = by_name(report)["c2st_mlp", None]
    assert score.status == "failed"
    assert score.reason is not None
    assert "ZeroDivisionError" in score.reason
    assert "4711" not in report.model_dump_json()
    assert by_name(report)["acf_mse", None].status == "ok"
    assert report.roc == ()


def test_a_cancel_stops_it(ward: Callable[..., Stays], ward_codec: Codec, reference: ReferenceStatistics) -> None:
    with pytest.raises(Cancelled):
        evaluate(
            codec=ward_codec,
            train=None,
            holdout=None,
            synthetic=ward(50, 3),
            reference=reference,
            cancelled=lambda: True,
        )


def test_a_sample_of_a_larger_cohort(
    ward: Callable[..., Stays], ward_codec: Codec, reference: ReferenceStatistics
) -> None:
    obtained = {"death": {"0": 700, "1": 300}, "sex": {"F": 500, "M": 500}}
    subject = Subject(n_stays=1000, obtained=obtained)
    report = evaluate(
        codec=ward_codec, train=None, holdout=None, synthetic=ward(50, 3), reference=reference, subject=subject
    )
    assert (report.n_stays, report.n_evaluated) == (1000, 50)
    assert {label.name: label.obtained for label in report.labels} == obtained
    assert any("sample of 50" in note for note in report.notes)


KINDS = ("no numerical", "no categorical", "no labels", "one step", "constant", "never measured", "one class", "plain")


@pytest.mark.parametrize("kind", KINDS)
def test_odd_tables_have_a_report_in_which_nothing_failed(kind: str) -> None:
    schema, stays = odd(kind, 250)
    sides = split(stays, holdout_fraction=0.2, seed=0)
    codec = Codec.fit(sides.train, schema)
    report = evaluate(codec=codec, train=sides.train, holdout=sides.holdout, synthetic=odd(kind, 60)[1])
    scores = [score for score in report.scores if score.group != "privacy"]
    missing = {score.name: score.reason for score in scores if score.status != "ok"}
    assert "failed" not in {score.status for score in report.scores}, missing
    assert all(score.reason for score in report.scores if score.status != "ok")
    no_gaps: set[MetricName] = set() if kind == "never measured" else {"missing_runs"}
    expected: dict[str, set[MetricName]] = {
        "no numerical": {"marginal_ks", "wasserstein", "correlation_mae", "acf_mse", "dtw", "co_missingness", "tails"},
        "no labels": {"tstr", "trtr", "trts", "conditional_distance"},
        "one step": {"transition_distance", "acf_mse"},
        "constant": {"wasserstein", "tails"},
        "one class": {"tstr", "trtr", "trts"},
    }
    assert missing.keys() == expected.get(kind, set()) | no_gaps | {"rules", "augmentation", "stay_length"}
    assert len(report.features) == len(schema.features)


@pytest.mark.parametrize("kind", KINDS)
def test_odd_tables_without_their_dataset_have_a_report_in_which_nothing_failed(kind: str) -> None:
    schema, stays = odd(kind, 250)
    codec = Codec.fit(stays, schema)
    kept = reference_statistics(codec, stays, None, options=CHEAP).model_dump_json()
    reference = ReferenceStatistics.model_validate_json(kept)
    arguments = {"codec": codec, "holdout": None, "synthetic": odd(kind, 60)[1], "options": CHEAP}
    gone, whole = (
        by_name(evaluate(train=train, reference=reference, **arguments))  # type: ignore[arg-type]
        for train in (None, stays)
    )
    for name in AGGREGATE_METRICS:
        assert (gone[name, None].status, gone[name, None].reason) == (
            whole[name, None].status,
            whole[name, None].reason,
        )
        assert gone[name, None].status != "failed"


def test_neither_the_report_nor_the_reference_tells_a_correlation_of_few_stays(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    train, holdout, everything = ward(200, 1), ward(100, 2), ward(100, 3)
    train.numerical[3:, :, 0] = np.nan
    reference = reference_statistics(ward_codec, train, holdout, options=CHEAP)
    filled = ward_codec.fill(everything)
    told = [[np.nan, np.nan], [np.nan, 1]]
    np.testing.assert_allclose(from_matrix(reference.correlation), told, rtol=1e-6)
    floor = next(floor for floor in reference.floors if floor.name == "correlation_mae")
    assert (floor.value, floor.reason) == (None, "there are fewer than two numerical features to compare")
    for synthetic in (everything, filled):
        report = evaluate(
            codec=ward_codec, train=train, holdout=holdout, synthetic=synthetic, reference=reference, options=CHEAP
        )
        assert report.correlations.training is not None
        np.testing.assert_allclose(from_matrix(report.correlations.training), told, rtol=1e-6)
        assert None not in report.correlations.synthetic[0]
        assert by_name(report)["correlation_mae", None].status == "not_available"


def test_the_training_stays_themselves_are_ideal_without_the_dataset_too(
    ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    stays = ward(200, 1)
    stays.numerical[9:, :, 0] = 37
    reference = reference_statistics(ward_codec, stays, None, options=CHEAP)
    arguments = {"codec": ward_codec, "holdout": None, "synthetic": stays, "reference": reference, "options": CHEAP}
    for train in (stays, None):
        report = evaluate(train=train, **arguments)  # type: ignore[arg-type]
        assert report.headline()["acf_mse"] == 0


def test_the_bundled_reference_still_loads() -> None:
    text = (BUNDLED / "challenge2012-v1" / "reference.json").read_text()
    assert not np.isnan(ReferenceStatistics.model_validate_json(text).aggregates().correlation).any()


def test_a_full_report_has_spreads_over_seeds_and_mixtures(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics: tuple[MetricName, ...] = ("tstr", "c2st_logistic", "augmentation")
    monkeypatch.setitem(utility.N_SEEDS, "full", 2)
    options = EvaluationOptions(detail="full", metrics=metrics)
    arguments = {"codec": ward_codec, "train": ward(300, 1), "holdout": ward(90, 2), "synthetic": ward(120, 3)}
    report = evaluate(options=options, **arguments)  # type: ignore[arg-type]
    scores = by_name(report)
    assert scores.keys() == {
        ("augmentation", None), ("c2st_logistic", None),
        ("tstr", "death"), ("tstr", "sex"), ("trtr", "death"), ("trtr", "sex"),
    }  # fmt: skip
    assert all(score.spread is not None for score in report.scores)
    assert report.detail == "full"
    death = [row for row in report.augmentation if row.label == "death"]
    assert [(row.n_real, row.n_synthetic) for row in death] == [(30, 120), (75, 120), (150, 120), (300, 120)]
    assert scores["augmentation", None].sample == "2 seeds; as far as 120 synthetic stays suffice"
    gains = [row.value - row.real_only for row in report.augmentation]
    assert scores["augmentation", None].value == pytest.approx(np.mean(gains))


def test_privacy_alone_trains_no_network(
    ward: Callable[..., Stays], ward_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_called(*_: object, **__: object) -> None:
        raise AssertionError("a network was trained")

    monkeypatch.setattr("model.evaluation.utility.fit", never_called)
    monkeypatch.setattr("model.evaluation.detection.fit", never_called)
    options = EvaluationOptions(metrics=tuple(sorted(PRIVACY_METRICS)))
    report = evaluate(
        codec=ward_codec, train=ward(200, 1), holdout=ward(100, 2), synthetic=ward(120, 3), options=options
    )
    assert {score.group for score in report.scores} == {"privacy"}
    assert report.privacy.status == "passed"
    assert (report.projection, report.transitions, report.roc) == (None, (), ())
    assert report.distances
    assert (report.n_training, report.n_holdout) == (200, 100)


def test_copies_are_held(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train = ward(300, 1)
    options = EvaluationOptions(metrics=tuple(sorted(PRIVACY_METRICS)))
    report = evaluate(codec=ward_codec, train=train, holdout=ward(100, 2), synthetic=train, options=options)
    assert report.privacy.status == "held"
    held = {test.name for test in report.privacy.failed}
    assert {score.name for score in report.scores if score.verdict == "different"} >= held


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_stays_of_odd_tables(kind: str, n: int) -> None:
    schema, stays = odd(kind, 60)
    codec = Codec.fit(stays, schema)
    report = evaluate(codec=codec, train=stays, holdout=odd(kind, n)[1], synthetic=odd(kind, n)[1])
    assert "failed" not in {score.status for score in report.scores}
    assert all(score.reason or score.value is not None for score in report.scores)
    assert not any("broke" in note for note in report.notes)


def numbers(told: object) -> Iterator[float]:
    if isinstance(told, dict):
        told = list(told.values())
    if isinstance(told, list | tuple):
        for one in told:
            yield from numbers(one)
    elif isinstance(told, int | float):
        yield float(told)


@pytest.mark.parametrize("imputed", [False, True])
def test_a_cohort_of_one_stay_that_copies_a_patient_tells_nothing_of_it(
    imputed: bool, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    train = ward(400, 1)
    odd = np.random.default_rng(0).uniform(0.001, 0.04, train.numerical[0].shape)
    train.numerical[0] += odd  # values that no other stay has
    copied = train.take(slice(1))
    copied = ward_codec.fill(copied) if imputed else copied
    report = evaluate(codec=ward_codec, train=train, holdout=ward(120, 2), synthetic=copied, options=CHEAP)
    shown = {"features", "transitions", "correlations", "co_missingness", "projection", "rules"}
    found = np.array([*numbers(report.model_dump(include=shown))])
    own = copied.numerical[~np.isnan(copied.numerical)].astype(np.float64)
    assert np.abs(found[:, None] - own).min() > 1e-6
    assert not report.transitions
    assert all(feature.synthetic is None for feature in report.features)
    assert {score.status for score in report.scores} == {"not_available"}
    assert "nan" not in render_html(report).lower().replace("nan-", "")
