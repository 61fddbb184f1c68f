from collections.abc import Callable

import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.fidelity_tables import dtw_figure, mmd_figure
from model.evaluation.space import NotAvailable, no_tick, to_table
from model.spec.report import EvaluationOptions

OPTIONS = EvaluationOptions()


def test_they_say_on_how_many_stays_they_rest(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    subject, train, holdout = (to_table(ward(n, n), ward_codec) for n in (450, 1200, 90))
    dtw = dtw_figure(subject, train, holdout, options=OPTIONS, tick=no_tick)
    assert dtw.sample == "400 stays, each beside 1,000 training stays"
    mmd = mmd_figure(subject, train, holdout, options=OPTIONS, tick=no_tick)
    assert mmd.sample == "90 stays of each table"
    assert mmd.holdout_value is not None
    assert mmd.value == pytest.approx(mmd.holdout_value, abs=0.05)
    full = EvaluationOptions(detail="full")
    assert dtw_figure(subject, train, None, options=full, tick=no_tick).sample == (
        "450 stays, each beside 1,200 training stays"
    )


def test_the_interval_of_dtw_holds_what_other_stays_score(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train = to_table(ward(500, 1), ward_codec)
    one, other = (
        dtw_figure(to_table(ward(400, seed), ward_codec), train, None, options=OPTIONS, tick=no_tick) for seed in (5, 6)
    )
    assert one.low is not None
    assert one.high is not None
    assert 0 < one.low < other.value < one.high
    assert one.holdout_value is None


def test_a_table_without_stays_has_none(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, nobody = to_table(ward(50, 1), ward_codec), to_table(ward(0, 1), ward_codec)
    for compute in (dtw_figure, mmd_figure):
        with pytest.raises(NotAvailable):
            compute(nobody, train, None, options=OPTIONS, tick=no_tick)
    assert dtw_figure(train, train, nobody, options=OPTIONS, tick=no_tick).holdout_value is None


def test_the_courses_of_few_stays_have_no_distance(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, few, enough = (to_table(ward(n, n), ward_codec) for n in (200, 49, 50))
    with pytest.raises(NotAvailable, match="49 stays, at least 50 are needed: of fewer, it would tell"):
        dtw_figure(few, train, None, options=OPTIONS, tick=no_tick)
    assert dtw_figure(enough, train, few, options=OPTIONS, tick=no_tick).holdout_value is None
    assert dtw_figure(enough, train, enough, options=OPTIONS, tick=no_tick).holdout_value is not None
    with pytest.raises(NotAvailable, match="at least 11"):
        mmd_figure(train.take(slice(10)), train, None, options=OPTIONS, tick=no_tick)
