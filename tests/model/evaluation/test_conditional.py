from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.conditional import real_conditionals, with_synthetic_parts
from model.evaluation.distributions import feature_reports
from model.spec.figures import FeatureReport
from model.spec.schema import Label, NumericalFeature, Schema

SCHEMA = Schema(
    stay_id="s",
    time="t",
    sequence_length=4,
    features=(NumericalFeature(name="x"),),
    labels=(Label(name="y", categories=("a", "b")),),
)


def stays(n: int, seed: int, *, swapped: bool = False, share: float = 0.5) -> Stays:
    """Half have values about 0, half about 10; which half is which category of the label can be swapped."""
    rng = np.random.default_rng(seed)
    codes = (np.arange(n) < share * n).astype(np.int64)
    centre = np.where(codes == (0 if swapped else 1), 10.0, 0.0)
    values = rng.normal(centre[:, None], 1, (n, 4)).astype(np.float32)
    return Stays(values[:, :, None], np.zeros((n, 4, 0), np.int64), codes[:, None])


def feature_of(train: Stays, holdout: Stays | None, schema: Schema = SCHEMA) -> FeatureReport:
    feature = feature_reports(train, holdout, Codec.fit(train, schema))[0]
    parts = real_conditionals(feature, 0, train, holdout, schema=schema)
    return feature.model_copy(update={"by_label": parts})


def test_swapped_categories_differ_while_all_together_are_the_same() -> None:
    feature = feature_of(stays(1000, 0), stays(400, 1))
    same = with_synthetic_parts(feature, 0, stays(600, 2), schema=SCHEMA)
    swapped = with_synthetic_parts(feature, 0, stays(600, 2, swapped=True), schema=SCHEMA)
    for one, other in zip(same, swapped, strict=True):
        assert one.holdout_distance is not None
        assert one.holdout_distance < 0.1
        assert one.distance is not None
        assert one.distance < 0.1
        assert other.distance is not None
        assert other.distance > 0.95
        assert one.n_synthetic == 300


def test_no_told_bin_of_a_category_holds_fewer_than_eleven_stays() -> None:
    train = stays(1000, 0, share=0.08)
    feature = feature_of(train, None)
    for code, part in enumerate(feature.by_label):
        assert part.training is not None
        values = train.numerical[train.labels[:, 0] == code, :, 0]
        index = np.searchsorted(np.array(part.edges)[1:-1], values, side="right")
        held = [(index == i).any(axis=1).sum() for i in range(len(part.edges) - 1)]
        assert not [n for n in held if 0 < n < 11]
        np.testing.assert_allclose(part.training.shares, np.bincount(index.ravel()) / index.size)
        assert not {"0.1", "99.9"} & part.training.quantiles.keys()
        assert set(part.edges) <= set(feature.edges)


@pytest.mark.parametrize(("rare", "is_told"), [(0, True), (10, False), (11, True)])
def test_a_category_of_few_stays_hides_the_others_too(rare: int, is_told: bool) -> None:
    train = stays(500, 0, share=rare / 500)
    feature = feature_of(train, stays(400, 1))
    told = [part.training is not None for part in feature.by_label]
    assert told == ([True, False] if rare == 0 else [is_told, is_told])
    if not is_told:
        assert [part.holdout_distance for part in feature.by_label] == [None, None]


def test_missing_rates_of_few_stays_are_those_of_all() -> None:
    train = stays(400, 0)
    train.numerical[:5, 0] = np.nan  # five of category b
    train.numerical[300:400, 0] = np.nan  # a hundred of category a
    train.numerical[:100, 1] = np.nan
    train.numerical[300:350, 1] = np.nan
    a, b = feature_of(train, None).by_label
    assert a.training is not None
    assert b.training is not None
    assert a.training.missing_by_step == pytest.approx((105 / 400, 0.25, 0, 0))
    assert b.training.missing_by_step == pytest.approx((105 / 400, 0.5, 0, 0))


def test_shares_of_categories_are_rounded_where_one_is_of_few_stays(ward: Callable[..., Stays]) -> None:
    schema = Schema.model_validate(
        {
            "stay_id": "s",
            "time": "t",
            "sequence_length": 1,
            "features": [{"type": "categorical", "name": "c", "categories": ["p", "q"]}],
            "labels": [{"name": "y", "categories": ["a", "b"]}],
        }
    )
    codes = np.repeat([0, 1, 0, 1], [493, 7, 304, 196])
    labels = np.repeat([0, 1], [500, 500])
    train = Stays(np.zeros((1000, 1, 0), np.float32), codes[:, None, None], labels[:, None])
    a, b = feature_of(train, None, schema).by_label
    assert a.training is not None
    assert b.training is not None
    assert list(a.training.shares) == [1, 0]
    assert b.training.shares == pytest.approx((0.6, 0.4))


def test_few_synthetic_stays_of_a_category_have_no_distance() -> None:
    feature = feature_of(stays(1000, 0), None)
    parts = with_synthetic_parts(feature, 0, stays(20, 2, share=0.4), schema=SCHEMA)
    assert [(part.n_synthetic, part.distance is None) for part in parts] == [(12, False), (8, True)]


def test_without_real_stays_the_synthetic_ones_are_told() -> None:
    feature = FeatureReport(name="x", type="numerical", edges=(-5.0, 5.0, 15.0))
    parts = with_synthetic_parts(feature, 0, stays(100, 2), schema=SCHEMA)
    assert [part.synthetic.shares for part in parts if part.synthetic] == [(1, 0), (0, 1)]
    assert [part.distance for part in parts] == [None, None]


def test_labels_of_many_categories_are_left_out() -> None:
    many = Label(name="y", categories=tuple("abcdefg"))
    schema = SCHEMA.model_copy(update={"labels": (many,)})
    assert feature_of(stays(200, 0), None, schema).by_label == ()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 700),
    rates=st.tuples(st.floats(0, 1), st.floats(0, 0.1)),
    apart=st.floats(0, 8),
    missing=st.floats(0, 0.95),
)
def test_nothing_told_rests_on_fewer_than_eleven_stays(
    seed: int, n: int, rates: tuple[float, float], apart: float, missing: float
) -> None:
    rng = np.random.default_rng(seed)
    shares = np.array([1.0, rates[0], rates[1]])
    labels = rng.choice(3, size=n, p=shares / shares.sum())
    values = rng.normal(labels[:, None] * apart, 1, (n, 4)).astype(np.float32)
    values[rng.random((n, 4)) < missing] = np.nan
    train = Stays(values[:, :, None], np.zeros((n, 4, 0), np.int64), labels[:, None])
    label = Label(name="y", categories=("a", "b", "c"))
    schema = SCHEMA.model_copy(update={"labels": (label,)})
    told = feature_of(train, None, schema).by_label
    with_values = [(~np.isnan(values[labels == code])).any(axis=1).sum() for code in range(3)]
    for code, part in enumerate(told):
        if part.training is None:
            assert with_values[code] == 0 or any(0 < count < 11 for count in with_values) or not part.edges
            continue
        cells = np.searchsorted(np.array(part.edges)[1:-1], values[labels == code], side="right")
        cells = np.where(np.isnan(values[labels == code]), -1, cells)
        for cell, share in enumerate(part.training.shares):
            assert share == 0 or (cells == cell).any(axis=1).sum() >= 11
