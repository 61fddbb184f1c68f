from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.data.arrange import arrange
from model.data.codec import Codec
from model.data.inference import infer_schema
from model.data.readers import read_table
from model.data.stays import Stays
from model.evaluation.aggregates import (
    AGGREGATE_METRICS,
    Aggregates,
    aggregate,
    aggregate_real,
    compare,
    safe_aggregates,
)
from model.evaluation.space import NotAvailable, Table, to_table
from model.spec.schema import CategoricalFeature, NumericalFeature, Schema


def test_the_order_of_stays_changes_nothing(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(200, 1)
    a, b = (aggregate(to_table(one, ward_codec)) for one in (stays, stays.take(slice(None, None, -1))))
    for name in AGGREGATE_METRICS:
        assert abs(compare(name, a, b)) < 1e-6


def test_what_may_be_kept_of_many_stays_is_exact(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    table = to_table(ward(1000, 1), ward_codec)
    exact, safe = aggregate(table), safe_aggregates(table)
    for name in exact.frequencies:
        np.testing.assert_allclose(safe.frequencies[name], exact.frequencies[name])
        np.testing.assert_allclose(safe.transitions[name], exact.transitions[name])
    np.testing.assert_array_equal(safe.correlation, exact.correlation)
    np.testing.assert_array_equal(safe.acf, exact.acf)


def test_of_ten_stays_nothing_is_kept(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    safe = safe_aggregates(to_table(ward(10, 1), ward_codec))
    assert all(np.isnan(shares).all() for shares in safe.frequencies.values())
    assert np.isnan(safe.correlation).all()
    assert np.isnan(safe.acf).all()
    for matrix in safe.transitions.values():
        assert not np.nan_to_num(matrix).any()


@pytest.mark.parametrize("of", [safe_aggregates, aggregate_real])
@pytest.mark.parametrize(
    ("temperature", "heart_rate", "is_told"),
    [(range(10), range(50), False), (range(11), range(50), True), (range(30), range(20, 50), False)],
)
def test_a_correlation_is_told_of_pairs_that_eleven_stays_have_both_measured(
    of: Callable[[Table], Aggregates],
    temperature: range,
    heart_rate: range,
    is_told: bool,
    ward: Callable[..., Stays],
    ward_codec: Codec,
) -> None:
    stays = ward(50, 1)
    for column, measured in enumerate((temperature, heart_rate)):
        stays.numerical[~np.isin(np.arange(50), measured), :, column] = np.nan
    for fill in (False, True):  # filling measures nothing
        table = to_table(stays, ward_codec, fill=fill)
        assert np.isnan(of(table).correlation[0, 1]) != is_told


@pytest.mark.parametrize(("varying", "is_told"), [(0, True), (9, False), (10, False), (11, True)])
def test_stays_compared_with_what_is_kept_of_them_have_the_same_acf(
    varying: int, is_told: bool, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    stays = ward(50, 1)
    stays.numerical[varying:, :, 0] = 37
    table = to_table(stays, ward_codec)
    exact, safe = aggregate(table), safe_aggregates(table)
    assert np.isnan(safe.acf[0]).all() != is_told
    assert compare("acf_mse", exact, safe) == 0
    assert compare("correlation_mae", exact, safe) == 0


def test_a_change_that_few_stays_make_is_not_kept(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(500, 1)
    stays.categorical[:] = 0
    stays.categorical[:5, 3:] = 2
    safe = safe_aggregates(to_table(stays, ward_codec))
    np.testing.assert_array_equal(safe.frequencies["rhythm"], [1, 0, 0])
    np.testing.assert_array_equal(safe.transitions["rhythm"][0], [1, 0, 0])
    assert np.isnan(safe.transitions["rhythm"][2]).all()
    np.testing.assert_array_equal(safe.transitions["rhythm"][1], [0, 0, 0])


def test_known_floors_of_real_stays(challenge2012: Path) -> None:
    """Known from the figures that this project started from: this split's holdout scores .0033 and .0194."""
    frame = read_table(challenge2012)
    schema = infer_schema(frame)
    stays = arrange(frame, schema).stays
    order = np.random.RandomState(0).permutation(len(stays))
    train, holdout = stays.take(order[:9600]), stays.take(order[9600:])
    codec = Codec.fit(train, schema)
    real, aside = (aggregate(to_table(side, codec)) for side in (train, holdout))
    assert compare("total_variation", aside, real) == pytest.approx(0.0033, abs=5e-5)
    assert compare("transition_distance", aside, real) == pytest.approx(0.0194, abs=5e-5)
    assert compare("correlation_mae", aside, real) == pytest.approx(0.0156, abs=4e-3)
    assert compare("acf_mse", aside, real) == pytest.approx(0, abs=5e-5)


def test_what_is_constant_in_a_stay_does_not_make_courses_more_alike(
    ward: Callable[..., Stays], ward_schema: Schema
) -> None:
    """Sex as a static category and age as a static number: the figures about time are those without them."""
    train, synthetic = ward(400, 0), ward(400, 1)
    flat = Stays(np.repeat(synthetic.numerical[:, :1], 8, axis=1), synthetic.categorical[:, ::-1], synthetic.labels)
    sex = CategoricalFeature(name="sex at birth", categories=("F", "M"), static=True)
    extended = ward_schema.model_copy(
        update={"features": (*ward_schema.features, NumericalFeature(name="age", static=True), sex)}
    )

    def with_static(stays: Stays) -> Stays:
        age = np.broadcast_to(stays.labels[:, None, :1] * 20.0 + 50, (len(stays), 8, 1)).astype(np.float32)
        code = np.broadcast_to(stays.labels[:, None, 1:], (len(stays), 8, 1))
        numerical = np.concatenate([stays.numerical, age], axis=2)
        return Stays(numerical, np.concatenate([stays.categorical, code], axis=2), stays.labels)

    plain, more = Codec.fit(train, ward_schema), Codec.fit(with_static(train), extended)
    for name in ("transition_distance", "acf_mse"):
        a, b = (aggregate(to_table(stays, plain)) for stays in (flat, train))
        c, d = (aggregate(to_table(with_static(stays), more)) for stays in (flat, train))
        expected = compare(name, a, b)
        assert expected > 0.01
        assert compare(name, c, d) == pytest.approx(expected)
        kept = safe_aggregates(to_table(with_static(train), more))
        assert compare(name, c, kept) == pytest.approx(compare(name, a, safe_aggregates(to_table(train, plain))))


def test_constants_alone_have_no_course() -> None:
    schema = Schema(
        stay_id="id",
        time="t",
        sequence_length=3,
        features=(CategoricalFeature(name="s", categories=("a", "b"), static=True),),
    )
    stays = Stays(
        np.empty((40, 3, 0), np.float32), np.repeat(np.arange(40) % 2, 3).reshape(40, 3, 1), np.empty((40, 0), np.int64)
    )
    found = aggregate(to_table(stays, Codec.fit(stays, schema)))
    with pytest.raises(NotAvailable, match="constants alone"):
        compare("transition_distance", found, found)
