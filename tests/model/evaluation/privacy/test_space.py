import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.privacy import privacy_space
from model.evaluation.privacy.neighbours import Neighbours, two_nearest
from model.evaluation.privacy.space import EFFORT
from model.evaluation.privacy.view import shifts
from model.evaluation.space import NotAvailable
from model.spec.report import EvaluationOptions
from model.spec.schema import CategoricalFeature, Schema
from tests.model.evaluation.privacy.conftest import VITALS, draw_stays

OPTIONS = EvaluationOptions()


def test_the_second_nearest_record_is_of_another_patient() -> None:
    found = Neighbours(np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0, 1], [2, 3]]))
    first, second, record = two_nearest(found, np.array([7, 7, 8, 9]))
    assert first.tolist() == [1.0, 3.0]
    assert record.tolist() == [0, 2]
    assert second.tolist() == [2.0, 5.0]  # no other patient among the candidates of query 0: the last stands for it
    wider = Neighbours(np.array([[1.0, 2.0, 4.0]]), np.array([[0, 1, 2]]))
    assert two_nearest(wider, np.array([7, 7, 8]))[1].tolist() == [4.0]


def test_two_stays_of_a_patient_do_not_hide_a_copy(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    twice = Stays(
        np.concatenate([train.numerical, train.numerical]),
        np.concatenate([train.categorical, train.categorical]),
        np.concatenate([train.labels, train.labels]),
        patients=np.tile(np.arange(len(train)), 2),
    )
    aside = Stays(holdout.numerical, holdout.categorical, holdout.labels, np.arange(len(holdout)) + len(train))
    copies = train.take(slice(50))
    space = privacy_space(unit_codec, train=twice, holdout=aside, synthetic=copies, imputed=False, options=OPTIONS)
    assert (space.view().synthetic_to_real().ratio < 0.01).all()
    assert np.median(space.view().real_to_real().ratio) > 0.8


def test_values_are_scaled_and_gaps_are_zero(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    space = privacy_space(unit_codec, train=train, holdout=holdout, synthetic=train, imputed=False, options=OPTIONS)
    records = space.view().train.records
    np.testing.assert_array_equal(records.measured, train.observed)
    assert (records.values[~records.measured] == 0).all()
    assert records.values[records.measured].std() == pytest.approx(1.0, abs=0.1)


def test_filled_stays_have_no_gaps_and_remember_those_of_the_real_ones(
    train: Stays, holdout: Stays, unit_codec: Codec
) -> None:
    filled = unit_codec.fill(train)
    space = privacy_space(unit_codec, train=train, holdout=holdout, synthetic=filled, imputed=True, options=OPTIONS)
    view = space.view()
    assert view.train.records.measured.all()
    assert not view.train.as_measured.measured.all()
    assert (view.synthetic_to_real().first < 1e-3).all()


def test_a_vital_is_compared_in_the_stays_that_tell_enough_of_it(
    train: Stays, holdout: Stays, unit_codec: Codec
) -> None:
    numerical = train.numerical.copy()
    numerical[:100, :, 0] = np.nan
    numerical[100:200, :, 0] = 80
    part = Stays(numerical, train.categorical, train.labels)
    space = privacy_space(unit_codec, train=part, holdout=holdout, synthetic=part, imputed=False, options=OPTIONS)
    assert len(space.view(VITALS[0]).train) <= len(train) - 200
    assert space.view(VITALS[0]).train.records.values.shape[2] == 1


def test_nothing_to_compare_with_is_said(train: Stays, unit_codec: Codec) -> None:
    without = privacy_space(unit_codec, train=None, holdout=None, synthetic=train, imputed=False, options=OPTIONS)
    with pytest.raises(NotAvailable, match="not stored"):
        without.view()
    empty = train.take(slice(0))
    without = privacy_space(unit_codec, train=train, holdout=None, synthetic=empty, imputed=False, options=OPTIONS)
    with pytest.raises(NotAvailable, match="no stays"):
        without.view()


def test_large_tables_are_sampled_and_the_sample_is_told(
    train: Stays, holdout: Stays, unit_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.evaluation.privacy.space.MIN_ROWS", 100)
    effort = {"quick": EFFORT["quick"]._replace(pairs=100.0)}
    monkeypatch.setattr("model.evaluation.privacy.space.EFFORT", effort)
    synthetic = draw_stays(500, 5)
    space = privacy_space(unit_codec, train=train, holdout=holdout, synthetic=synthetic, imputed=False, options=OPTIONS)
    view = space.view()
    assert view.sample == "100 of 500 synthetic stays"
    assert len(view.synthetic_to_real().first) == 100
    assert len(view.train_rows) + len(view.holdout_rows) == 100
    assert set(view.real_to_synthetic().record.ravel().tolist()) <= set(view.rows.tolist())


@pytest.mark.parametrize(("n_steps", "furthest"), [(1, 0), (2, 1), (3, 1), (8, 4), (25, 12), (100, 12)])
def test_shifts_go_up_to_twelve_steps_and_leave_half_of_the_stay(n_steps: int, furthest: int) -> None:
    assert shifts(n_steps) == [*range(-furthest, 0), *range(1, furthest + 1)]


def test_what_is_constant_in_a_stay_counts_once_and_does_not_hide_a_copy(
    train: Stays, holdout: Stays, unit_schema: Schema
) -> None:
    """Patients whose sex was changed are still found: it is one mismatch, not one for every hour."""
    sex = CategoricalFeature(name="sex", categories=("F", "M"), static=True)
    schema = unit_schema.model_copy(update={"features": (*unit_schema.features, sex)})

    def with_sex(stays: Stays, code: int) -> Stays:
        codes = np.full((len(stays), stays.sequence_length, 1), code)
        codes[::2] = 1 - code
        return Stays(stays.numerical, np.concatenate([stays.categorical, codes], axis=2), stays.labels)

    real, copies = with_sex(train, 0), with_sex(train.take(slice(100)), 1)
    space = privacy_space(
        Codec.fit(real, schema),
        train=real,
        holdout=with_sex(holdout, 0),
        synthetic=copies,
        imputed=False,
        options=OPTIONS,
    )
    found = space.view().synthetic_to_real()
    np.testing.assert_allclose(found.first, 1.0, atol=1e-3)
    assert (found.ratio < 0.5).all()
