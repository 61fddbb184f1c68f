"""Tables at the edge of what can be tested: a stated result, never a crash."""

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.measure import Run, never, no_progress
from model.evaluation.privacy import distance_histograms, privacy_space, privacy_tasks
from model.spec.errors import Cancelled
from model.spec.report import EvaluationOptions
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema
from tests.model.evaluation.privacy.conftest import draw_stays, gate

NUMERICAL = (NumericalFeature(name="x"),)
CATEGORICAL = (CategoricalFeature(name="c", categories=("a", "b")),)
FEATURES = {"both": (*NUMERICAL, *CATEGORICAL), "numerical": NUMERICAL, "categorical": CATEGORICAL}


def table(n: int, kind: str, length: int, seed: int, *, labels: bool = True) -> Stays:
    rng = np.random.default_rng(seed)
    vitals, cats = (kind != "categorical") * 1, (kind != "numerical") * 1
    return Stays(
        rng.normal(0, 1, (n, length, vitals)).astype(np.float32),
        rng.integers(-1, 2, (n, length, cats)),
        rng.integers(0, 2, (n, int(labels))),
    )


def schema_of(kind: str, length: int, *, labels: bool = True) -> Schema:
    label = (Label(name="y", categories=("0", "1")),) if labels else ()
    return Schema(stay_id="i", time="t", sequence_length=length, features=FEATURES[kind], labels=label)


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("length", [1, 4])
def test_any_schema_gives_a_verdict(kind: str, length: int) -> None:
    real = table(120, kind, length, 0)
    codec = Codec.fit(real, schema_of(kind, length))
    verdict, scores = gate(codec, real, table(80, kind, length, 1), table(150, kind, length, 2))
    assert verdict.status == "passed", verdict.reason
    assert all(score.status != "failed" for score in scores.values())


@pytest.mark.parametrize("n_synthetic", [0, 1, 49, 50])
@pytest.mark.parametrize("n_train", [1, 2, 60])
@pytest.mark.parametrize("n_holdout", [0, 1, 2])
def test_tables_of_hardly_any_stays_break_nothing(n_synthetic: int, n_train: int, n_holdout: int) -> None:
    train = table(n_train, "both", 4, 0)
    codec = Codec.fit(train, schema_of("both", 4))
    holdout = table(n_holdout, "both", 4, 1) if n_holdout else None
    verdict, scores = gate(codec, train, holdout, table(n_synthetic, "both", 4, 2))
    assert all(score.status != "failed" for score in scores.values())
    assert verdict.status == ("passed" if n_synthetic >= 50 and n_train == 60 else "not_evaluated"), verdict.reason


def test_flat_and_empty_stays_that_coincide_by_chance_hold_nothing() -> None:
    def flat(n: int, seed: int) -> Stays:
        stays = table(n, "both", 4, seed)
        stays.numerical[: n // 2] = np.nan
        stays.numerical[n // 2 :] = np.random.default_rng(seed).integers(0, 20, (n - n // 2, 1, 1))
        stays.categorical[:] = 0
        return stays

    train = flat(300, 0)
    verdict, scores = gate(Codec.fit(train, schema_of("both", 4)), train, flat(200, 1), flat(300, 2))
    assert verdict.status == "passed", verdict.reason
    assert scores["exact_copies"].holdout_value == pytest.approx(1.0, abs=0.1)


def test_constant_and_never_measured_features_break_nothing() -> None:
    def dull(n: int, seed: int) -> Stays:
        stays = table(n, "both", 4, seed)
        stays.numerical[:] = np.nan if seed % 2 else 5.0
        return stays

    train = dull(100, 0)
    verdict, scores = gate(Codec.fit(train, schema_of("both", 4)), train, dull(80, 2), dull(100, 3))
    assert all(score.status != "failed" for score in scores.values())
    assert scores["near_copies[x]"].status == "not_available"
    assert verdict.status == "passed"


def test_a_table_without_labels_is_tested(unit_codec: Codec) -> None:
    train = table(120, "both", 4, 0, labels=False)
    codec = Codec.fit(train, schema_of("both", 4, labels=False))
    verdict, scores = gate(codec, train, table(80, "both", 4, 1, labels=False), table(90, "both", 4, 2, labels=False))
    assert verdict.status == "passed"
    assert not any(name.startswith("attribute_gain") for name in scores)


def test_one_class_gives_no_attribute_gain_and_a_reason(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    alive = train.take(train.labels[:, 0] == 0)
    scores = gate(unit_codec, alive, holdout, draw_stays(100, 4))[1]
    assert scores["attribute_gain[death]"].status == "not_available"
    assert "category" in (scores["attribute_gain[death]"].reason or "")


def test_every_task_without_the_dataset_says_why(unit_codec: Codec, honest: Stays) -> None:
    verdict, scores = gate(unit_codec, None, None, honest)
    assert verdict.status == "not_evaluated"
    assert {score.status for score in scores.values()} == {"not_available"}
    assert all("not stored" in (score.reason or "") for score in scores.values())


def test_a_cancel_is_obeyed_within_the_search(train: Stays, honest: Stays, unit_codec: Codec) -> None:
    space = privacy_space(
        unit_codec, train=train, holdout=None, synthetic=honest, imputed=False, options=EvaluationOptions()
    )
    asked = iter([False, False, False, True])
    run = Run("test", [], progress=no_progress, cancelled=lambda: next(asked))
    with pytest.raises(Cancelled):
        run.measure("near_copies", privacy_tasks(space)[1].compute)
    assert never() is False


def test_histograms_are_shares_and_tell_of_no_few_real_stays(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    options = EvaluationOptions()
    space = privacy_space(unit_codec, train=train, holdout=holdout, synthetic=honest, imputed=False, options=options)
    (histogram,) = distance_histograms(space)
    assert sum(histogram.synthetic_to_training) == pytest.approx(1)
    assert sum(histogram.synthetic_to_holdout) == pytest.approx(1)
    assert sum(histogram.holdout_to_training) == pytest.approx(1)
    assert len(histogram.edges) == len(histogram.synthetic_to_training) + 1
    small = [share for share in histogram.holdout_to_training if 0 < share < 10 / len(holdout)]
    assert small == []
    gone = privacy_space(unit_codec, train=None, holdout=None, synthetic=honest, imputed=False, options=options)
    assert distance_histograms(gone) == ()


def test_a_table_of_fewer_than_fifty_stays_is_not_evaluated(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    few = train.take(slice(49))
    verdict, scores = gate(unit_codec, train, holdout, few)
    assert (verdict.status, verdict.n_tests) == ("not_evaluated", 0)
    assert verdict.reason == (
        "Exact copies of real stays could not be looked for because the table has fewer than 50 stays: too few to tell "
        "copies from chance, and distances of so few would tell of single patients."
    )
    assert {score.status for score in scores.values()} == {"not_available"}
    options = EvaluationOptions()
    space = privacy_space(unit_codec, train=train, holdout=holdout, synthetic=few, imputed=False, options=options)
    assert distance_histograms(space) == ()
