import dataclasses
import json
import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.arrange import arrange
from model.data.codec import Codec
from model.data.codec_state import CodecState
from model.data.frame import to_frame
from model.data.imputation import impute
from model.data.layout import Column, TableLayout
from model.data.stays import Stays
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

NAN = float("nan")


NUMERICAL_ONLY = Schema(stay_id="stay", time="hour", sequence_length=25, features=(NumericalFeature(name="lab"),))


def make_schema(n_numerical: int = 1, n_categorical: int = 0, n_labels: int = 0, **bounds: float) -> Schema:
    numerical = [NumericalFeature(name=f"x{j}", **bounds) for j in range(n_numerical)]
    categorical = [CategoricalFeature(name=f"c{j}", categories=("a", "b", "c")) for j in range(n_categorical)]
    labels = tuple(Label(name=f"y{k}", categories=("0", "1")) for k in range(n_labels))
    return Schema(stay_id="id", time="hour", sequence_length=1, features=(*numerical, *categorical), labels=labels)


def make_stays(
    numerical: object = None, categorical: object = None, labels: object = None, *, shape: tuple[int, int] = (1, 1)
) -> Stays:
    """Stays from nested lists (n, L, M); what is not given has no feature."""
    given_arrays = [np.asarray(a) for a in (numerical, categorical) if a is not None]
    n, length = given_arrays[0].shape[:2] if given_arrays else shape
    return Stays(
        numerical=np.empty((n, length, 0), np.float32) if numerical is None else np.asarray(numerical, np.float32),
        categorical=np.empty((n, length, 0), np.int64) if categorical is None else np.asarray(categorical, np.int64),
        labels=np.empty((n, 0), np.int64) if labels is None else np.asarray(labels, np.int64),
    )


def random_stays(n: int, length: int, schema: Schema, *, missing: float, seed: int) -> Stays:
    rng = np.random.default_rng(seed)
    numerical = rng.normal(50, 10, (n, length, len(schema.numerical))).astype(np.float32)
    numerical[rng.random(numerical.shape) < missing] = np.nan
    categorical = rng.integers(0, 3, (n, length, len(schema.categorical)))
    categorical[rng.random(categorical.shape) < missing] = -1
    return Stays(numerical, categorical, rng.integers(0, 2, (n, len(schema.labels))))


def test_quantile_scaling_shows_normal_scores_and_gives_the_values_back() -> None:
    schema = make_schema()
    rng = np.random.default_rng(0)
    stays = make_stays(rng.lognormal(3, 1, (2000, 5, 1)))
    codec = Codec.fit(stays, schema, scaling="quantile")
    encoded = codec.encode(stays)
    assert np.quantile(encoded.numerical, [0.16, 0.5, 0.84]) == pytest.approx([-1, 0, 1], abs=0.05)
    back = codec.decode(encoded.numerical, encoded.categorical, missing="as_observed").numerical
    low, high = codec.state.numerical[0].low, codec.state.numerical[0].high
    assert back == pytest.approx(np.clip(stays.numerical, low, high), rel=1e-3)
    again = Codec(CodecState.model_validate_json(codec.state.model_dump_json()))
    assert np.array_equal(again.encode(stays).numerical, encoded.numerical)


def test_quantile_scaling_of_features_that_are_constant_rare_or_never_measured() -> None:
    values = np.full((100, 5, 3), np.nan)
    values[:, :, 0] = 7
    values[:12, :, 1] = np.arange(12)[:, None]
    codec = Codec.fit(make_stays(values), make_schema(3), scaling="quantile")
    assert [state.knots for state in codec.state.numerical] == [(), (), ()]
    assert np.isfinite(codec.encode(make_stays(values)).numerical).all()


def test_the_plain_codec_has_z_scores_whatever_the_network_is_shown() -> None:
    stays = make_stays(np.random.default_rng(0).lognormal(3, 1, (500, 5, 1)))
    expected = Codec.fit(stays, make_schema()).encode(stays).numerical
    assert np.array_equal(Codec.fit(stays, make_schema(), scaling="quantile").plain.encode(stays).numerical, expected)


def test_encode_fills_then_scales_by_the_filled_values() -> None:
    stays = make_stays([[[1.0], [NAN], [3.0], [NAN]]])  # filled: 1 1 3 3, mean 2, standard deviation 1
    encoded = Codec.fit(stays, make_schema()).encode(stays)
    assert encoded.numerical.ravel().tolist() == [-1, -1, 1, 1]
    assert encoded.numerical.dtype == np.float32


def test_channels_are_features_then_marks_then_labels() -> None:
    schema = make_schema(2, 1, 1)
    stays = random_stays(4, 3, schema, missing=0, seed=0)
    channels = Codec.fit(stays, schema).categorical_channels
    assert [(c.name, c.kind, c.categories) for c in channels] == [
        ("c0", "feature", ("a", "b", "c")),
        ("x0 measured", "mark", ("missing", "measured")),
        ("x1 measured", "mark", ("missing", "measured")),
        ("y0", "label", ("0", "1")),
    ]


def test_encode_writes_marks_and_labels_at_every_step() -> None:
    stays = make_stays([[[1.0], [NAN]], [[NAN], [2.0]]], labels=[[1], [0]])
    encoded = Codec.fit(stays, make_schema(1, 0, 1)).encode(stays)
    assert encoded.categorical.tolist() == [[[1, 1], [0, 1]], [[0, 0], [1, 0]]]
    assert encoded.labels.tolist() == [[1], [0]]


def test_missing_category_gets_its_own_code_only_where_training_has_missing_ones() -> None:
    schema = make_schema(0, 2)
    train = make_stays(categorical=[[[0, 0], [-1, 0], [2, 1]]])
    codec = Codec.fit(train, schema)
    assert codec.categorical_channels[0].categories == ("a", "b", "c", "missing")
    assert codec.categorical_channels[0].missing_code == 3
    assert codec.categorical_channels[1].missing_code is None
    # In the second feature a missing value is new: it is filled with the next observation, then the last one.
    holdout = make_stays(categorical=[[[-1, -1], [1, 1], [-1, -1]]])
    assert codec.encode(holdout).categorical.tolist() == [[[3, 1], [1, 1], [3, 1]]]


def test_missing_category_is_called_otherwise_where_the_schema_has_one_of_that_name() -> None:
    feature = CategoricalFeature(name="c", categories=("missing", "there"))
    schema = Schema(stay_id="id", time="hour", sequence_length=1, features=(feature,))
    codec = Codec.fit(make_stays(categorical=[[[-1], [0]]]), schema)
    assert codec.categorical_channels[0].categories == ("missing", "there", "(missing)")


def test_decode_leaves_out_what_the_marks_say_was_not_measured() -> None:
    stays = make_stays([[[1.0], [NAN], [3.0], [NAN]]])
    codec = Codec.fit(stays, make_schema())
    noise = np.array([[[-1.0], [0.7], [1.0], [-0.3]]], dtype=np.float32)
    marks = np.array([[[1], [0], [1], [0]]])
    observed = codec.decode(noise, marks, missing="as_observed").numerical.ravel()
    assert np.array_equal(observed, [1, NAN, 3, NAN], equal_nan=True)
    assert codec.decode(noise, marks, missing="imputed").numerical.ravel().tolist() == [1, 1, 3, 3]


def test_decode_imputes_before_the_first_measurement_and_in_stays_without_any() -> None:
    codec = Codec.fit(make_stays([[[0.0], [2.0], [7.0]]]), make_schema())  # mean of the observed values: 3
    scaled = codec.encode(make_stays([[[7.0], [2.0], [6.0]], [[1.0], [1.0], [1.0]]])).numerical
    marks = np.array([[[0], [1], [1]], [[0], [0], [0]]])
    decoded = codec.decode(scaled, marks, missing="imputed").numerical[:, :, 0]
    assert decoded == pytest.approx(np.array([[4, 2, 6], [3, 3, 3]]), rel=1e-6)


def test_decode_reads_labels_by_majority_and_gives_a_tie_to_the_first_category() -> None:
    schema = make_schema(1, 0, 1)
    codec = Codec.fit(random_stays(5, 4, schema, missing=0, seed=0), schema)
    votes = np.array([[0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]])
    categorical = np.stack([np.ones_like(votes), votes], axis=2)
    numerical = np.zeros((3, 4, 1), np.float32)
    assert codec.decode(numerical, categorical, missing="as_observed").labels.tolist() == [[1], [0], [0]]
    given_labels = np.array([[0], [1], [1]])
    decoded = codec.decode(numerical, categorical, missing="as_observed", labels=given_labels)
    assert decoded.labels.tolist() == given_labels.tolist()


def test_decode_keeps_values_within_the_range_that_eleven_stays_share() -> None:
    values = np.arange(100, dtype=np.float32)
    codec = Codec.fit(make_stays(values.reshape(50, 2, 1)), make_schema())
    assert (codec.state.numerical[0].low, codec.state.numerical[0].high) == (20, 79)
    extremes = np.array([[[-50.0], [50.0]]], np.float32)
    decoded = codec.decode(extremes, np.ones((1, 2, 1), np.int64), missing="as_observed")
    assert decoded.numerical.ravel().tolist() == [20, 79]


def test_range_of_few_values_names_none_of_them() -> None:
    stays = make_stays([[[1.0], [3.0]]])  # mean 2, standard deviation 1
    free = Codec.fit(stays, make_schema()).state.numerical[0]
    assert (free.low, free.high) == (-2, 6)
    bounded = Codec.fit(stays, make_schema(min=0, max=50)).state.numerical[0]
    assert (bounded.low, bounded.high) == (0, 50)


@pytest.mark.parametrize(("n_measured", "withheld"), [(0, False), (1, True), (10, True), (11, False)])
def test_a_feature_of_fewer_than_eleven_stays_counts_as_never_measured(n_measured: int, withheld: bool) -> None:
    values = np.full((30, 2, 1), NAN)
    values[:n_measured] = 123.0
    codec = Codec.fit(make_stays(values), make_schema(min=0, max=500))
    state = codec.state.numerical[0]
    assert state.withheld == withheld
    encoded = codec.encode(make_stays(values))
    assert encoded.observed.any() == (n_measured > 10)
    assert encoded.categorical.any() == (n_measured > 10)
    if withheld:
        assert (
            state.model_copy(update={"withheld": False})
            == Codec.fit(make_stays(np.full((30, 2, 1), NAN)), make_schema(min=0, max=500)).state.numerical[0]
        )


def test_state_makes_the_round_trip_through_json_and_rebuilds_the_codec() -> None:
    schema = make_schema(2, 1, 1)
    stays = random_stays(20, 5, schema, missing=0.3, seed=1)
    codec = Codec.fit(stays, schema)
    text = json.dumps(codec.state.model_dump(mode="json"), allow_nan=False)
    again = Codec(CodecState.model_validate_json(text))
    assert again.state == codec.state
    assert again.categorical_channels == codec.categorical_channels
    assert np.array_equal(again.encode(stays).numerical, codec.encode(stays).numerical)
    assert np.array_equal(again.encode(stays).categorical, codec.encode(stays).categorical)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-8, 36.6, -3e8])
def test_constant_feature_has_scale_one_and_comes_back(value: float) -> None:
    stays = make_stays(np.full((30, 3, 1), value))
    codec = Codec.fit(stays, make_schema())
    encoded = codec.encode(stays)
    assert codec.state.numerical[0].scale == 1
    assert np.abs(encoded.numerical).max() <= max(1e-6, abs(value) * 1e-6)
    decoded = codec.decode(encoded.numerical, encoded.categorical, missing="as_observed")
    assert np.array_equal(decoded.numerical, stays.numerical)


def test_feature_that_was_never_measured_stays_missing() -> None:
    stays = make_stays(np.full((3, 4, 1), NAN))
    codec = Codec.fit(stays, make_schema(min=25, max=45))
    encoded = codec.encode(stays)
    assert (codec.state.numerical[0].mean, codec.state.numerical[0].scale) == (0, 1)
    assert not encoded.numerical.any()
    assert not encoded.categorical.any()
    assert np.isnan(codec.decode(encoded.numerical, encoded.categorical, missing="as_observed").numerical).all()
    assert not codec.decode(encoded.numerical, encoded.categorical, missing="imputed").numerical.any()


def within_the_state(codec: Codec, stays: Stays) -> npt.NDArray[np.float32]:
    """The numbers that a codec lets through: clipped to its ranges, and none of a feature that it withholds."""
    states = codec.state.numerical
    low, high, withheld = (np.array([getattr(s, name) for s in states]) for name in ("low", "high", "withheld"))
    kept: npt.NDArray[np.float32] = np.where(withheld, np.nan, np.clip(stays.numerical, low, high)).astype(np.float32)
    return kept


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 30),
    length=st.integers(1, 6),
    widths=st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)).filter(lambda w: w[0] + w[1] > 0),
    missing=st.sampled_from([0.0, 0.4, 1.0]),
    seed=st.integers(0, 5),
)
def test_decode_inverts_encode(n: int, length: int, widths: tuple[int, int, int], missing: float, seed: int) -> None:
    schema = make_schema(*widths)
    stays = random_stays(n, length, schema, missing=missing, seed=seed)
    codec = Codec.fit(stays, schema)
    encoded = codec.encode(stays)
    assert encoded.categorical.shape == (n, length, len(codec.categorical_channels))
    for j, channel in enumerate(codec.categorical_channels):
        assert encoded.categorical[:, :, j].min() >= 0
        assert encoded.categorical[:, :, j].max() < len(channel.categories)
    decoded = codec.decode(encoded.numerical, encoded.categorical, missing="as_observed")
    expected = within_the_state(codec, stays)
    np.testing.assert_allclose(decoded.numerical, expected, rtol=1e-4, equal_nan=True)
    assert np.array_equal(decoded.categorical, stays.categorical)
    assert np.array_equal(decoded.labels, stays.labels)
    imputed = codec.decode(encoded.numerical, encoded.categorical, missing="imputed")
    assert not np.isnan(imputed.numerical).any()
    assert imputed.categorical.min(initial=0) >= 0
    again = codec.fill(decoded)
    assert np.array_equal(imputed.numerical, again.numerical)
    assert np.array_equal(imputed.categorical, again.categorical)


def test_encode_and_decode_of_ten_thousand_stays_take_less_than_a_second() -> None:
    schema = make_schema(7, 0, 1)
    stays = random_stays(10_000, 25, schema, missing=0.5, seed=0)
    codec = Codec.fit(stays, schema)
    start = time.process_time()
    encoded = codec.encode(stays)
    codec.decode(encoded.numerical, encoded.categorical, missing="imputed", labels=encoded.labels)
    assert time.process_time() - start < 1


def test_one_patients_extreme_over_a_whole_stay_is_not_kept() -> None:
    numerical = np.full((100, 25, 1), 80.0, dtype=np.float32)
    numerical[7] = 712.0
    stays = Stays(numerical, np.empty((100, 25, 0), dtype=np.int64), np.empty((100, 0), dtype=np.int64))
    state = Codec.fit(stays, NUMERICAL_ONLY).state.numerical[0]
    assert (state.low, state.high) == (80.0, 80.0)


def test_a_value_of_one_stay_is_not_kept_as_the_mean() -> None:
    numerical = np.full((100, 25, 1), np.nan, dtype=np.float32)
    numerical[7, 3] = 4.321
    stays = Stays(numerical, np.empty((100, 25, 0), dtype=np.int64), np.empty((100, 0), dtype=np.int64))
    assert "4.32" not in Codec.fit(stays, NUMERICAL_ONLY).state.model_dump_json()


def static_schema() -> Schema:
    unit = CategoricalFeature(name="unit", categories=("a", "b", "c"), static=True)
    age = NumericalFeature(name="age", static=True)
    return Schema(stay_id="id", time="hour", sequence_length=4, features=(NumericalFeature(name="x"), age, unit))


def static_stays(n: int = 60, *, missing: float = 0.2) -> Stays:
    rng = np.random.default_rng(0)
    age = np.where(rng.random(n) < missing, np.nan, rng.integers(20, 90, n))
    unit = np.where(rng.random(n) < missing, -1, rng.integers(0, 3, n))
    numerical = np.stack([rng.normal(80, 10, (n, 4)), np.repeat(age[:, None], 4, axis=1)], axis=2)
    return make_stays(numerical, np.repeat(unit[:, None, None], 4, axis=1))


def test_static_features_come_back_as_they_were() -> None:
    stays = static_stays()
    codec = Codec.fit(stays, static_schema())
    assert [c.static for c in codec.categorical_channels] == [True, False, True]
    encoded = codec.encode(stays)
    decoded = codec.decode(encoded.numerical, encoded.categorical, missing="as_observed")
    np.testing.assert_array_equal(decoded.categorical, stays.categorical)
    np.testing.assert_array_equal(np.isnan(decoded.numerical), np.isnan(stays.numerical))
    low, high = codec.state.numerical[1].low, codec.state.numerical[1].high
    np.testing.assert_allclose(decoded.numerical[..., 1], np.clip(stays.numerical[..., 1], low, high), rtol=1e-5)


def test_what_the_network_made_of_a_static_feature_becomes_constant() -> None:
    codec = Codec.fit(static_stays(), static_schema())
    scale, center = codec.state.numerical[1].scale, codec.state.numerical[1].center
    numerical = np.zeros((2, 4, 2), np.float32)
    numerical[0, :, 1] = (np.array([40, 50, 60, 50]) - center) / scale
    unit, x_mark, age_mark = [[2, 2, 1, 3], [3, 3, 0, 3]], np.ones((2, 4)), [[1, 1, 0, 1], [0, 1, 0, 0]]
    codes = np.stack([unit, x_mark, age_mark], axis=2).astype(np.int64)
    decoded = codec.decode(numerical, codes, missing="as_observed")
    assert decoded.numerical[0, :, 1] == pytest.approx(np.full(4, 50))  # the mean
    assert np.isnan(decoded.numerical[1, :, 1]).all()  # missing in most steps: missing in the whole stay
    assert decoded.categorical[:, :, 0].tolist() == [[2] * 4, [-1] * 4]
    filled = codec.decode(numerical, codes, missing="imputed")
    assert (filled.numerical[1, :, 1] == filled.numerical[1, 0, 1]).all()
    assert (filled.categorical[1, :, 0] == filled.categorical[1, 0, 0]).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), missing=st.floats(0, 1))
def test_static_features_are_constant_whatever_the_network_made(seed: int, missing: float) -> None:
    codec = Codec.fit(static_stays(missing=missing), static_schema())
    rng = np.random.default_rng(seed)
    sizes = [len(channel.categories) for channel in codec.categorical_channels]
    codes = np.stack([rng.integers(0, size, (5, 4)) for size in sizes], axis=2)
    numerical = rng.normal(0, 3, (5, 4, 2)).astype(np.float32)
    for choice in ("as_observed", "imputed"):
        decoded = codec.decode(numerical, codes, missing=choice)
        age = decoded.numerical[:, :, 1]
        np.testing.assert_array_equal(age, np.broadcast_to(age[:, :1], age.shape))
        assert (decoded.categorical == decoded.categorical[:, :1]).all()


def ragged_stays(n: int = 60, *, missing: float = 0.2, seed: int = 0) -> Stays:
    stays = static_stays(n, missing=missing)
    rng = np.random.default_rng(seed)
    return dataclasses.replace(stays, lengths=rng.integers(1, 5, n)).ended()


def ragged_schema() -> Schema:
    return static_schema().model_copy(update={"variable_length": True})


def test_what_comes_after_the_end_is_no_data() -> None:
    """The codec of stays with ends is the one of the same steps in whole stays of one step each."""
    stays = ragged_stays()
    codec = Codec.fit(stays, ragged_schema())
    inside = stays.inside
    x = impute(stays.numerical, np.nanmean(stays.numerical.astype(np.float64), axis=(0, 1)))[inside]
    for j, state in enumerate(codec.state.numerical):
        assert (state.center, state.scale) == pytest.approx((x[:, j].mean(), x[:, j].std()), rel=1e-5)
        assert state.mean == pytest.approx(np.nanmean(stays.numerical[inside][:, j]), rel=1e-5)
    complete = ragged_stays(missing=0.0)
    assert not Codec.fit(complete, ragged_schema()).state.categorical[0].has_missing


def test_the_last_channel_says_where_a_stay_ends_and_the_rest_is_the_same_for_all() -> None:
    stays = ragged_stays()
    codec = Codec.fit(stays, ragged_schema())
    assert codec.categorical_channels[-1][:3] == ("in the stay", "in_stay", ("ended", "in the stay"))
    encoded, after = codec.encode(stays), ~stays.inside
    np.testing.assert_array_equal(encoded.categorical[:, :, -1] == 1, stays.inside)
    assert (encoded.numerical[after, 0] == 0).all()
    assert (encoded.categorical[after, 1] == 0).all()  # not measured
    for static in (encoded.numerical[:, :, 1], encoded.categorical[:, :, 0], encoded.categorical[:, :, 2]):
        assert (static == static[:, :1]).all()


@pytest.mark.parametrize(
    ("channel", "length"),
    [
        ([1, 1, 1, 1, 1], 5),
        ([0, 0, 0, 0, 0], 1),
        ([1, 1, 0, 0, 0], 2),
        ([1, 1, 0, 1, 1], 5),
        ([1, 0, 0, 1, 0], 1),
        ([0, 1, 1, 1, 0], 4),
        ([1, 0, 1, 0, 0], 1),  # 1 and 3 agree equally well
    ],
)
def test_a_stay_ends_where_that_agrees_best(channel: list[int], length: int) -> None:
    schema = make_schema().model_copy(update={"variable_length": True, "sequence_length": 5})
    codec = Codec.fit(make_stays([[[1.0]] * 5, [[3.0]] * 5]), schema)
    codes = np.stack([np.ones(5, np.int64), channel], axis=1)[None]
    for missing in ("as_observed", "imputed"):
        decoded = codec.decode(np.zeros((1, 5, 1), np.float32), codes, missing=missing)
        assert decoded.n_steps.tolist() == [length]
        assert (~np.isnan(decoded.numerical[0, :, 0])).sum() == length


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), missing=st.floats(0, 0.9))
def test_a_table_with_ends_and_static_features_comes_back(seed: int, missing: float) -> None:
    """Arranged, encoded, decoded, written, arranged again: the same where values lie in the training range."""
    schema, stays = ragged_schema(), ragged_stays(missing=missing, seed=seed)
    names = ("id", "hour", "x", "age", "unit")
    types = ("int32", "int64", "double", "double", "string")
    columns = tuple(Column(name=name, dtype=dtype) for name, dtype in zip(names, types, strict=True))
    layout = TableLayout(columns=columns, time_start=0, time_step=1)
    arranged = arrange(to_frame(stays, schema, layout), schema)
    codec = Codec.fit(arranged.stays, schema)
    encoded = codec.encode(arranged.stays)
    decoded = codec.decode(encoded.numerical, encoded.categorical, missing="as_observed")
    again = arrange(to_frame(decoded, schema, arranged.layout), schema).stays
    np.testing.assert_array_equal(again.n_steps, stays.n_steps)
    np.testing.assert_array_equal(again.categorical, stays.categorical)
    np.testing.assert_allclose(again.numerical, within_the_state(codec, stays), rtol=1e-4)
