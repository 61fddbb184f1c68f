from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import compared
from model.evaluation.reference import reference_statistics
from model.spec.report import EvaluationOptions

OPTIONS = EvaluationOptions(metrics=("acf_mse",))


def test_what_the_reference_knows_is_not_measured_again(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, holdout, synthetic = ward(300, 1), ward(100, 2), ward(100, 3)
    reference = reference_statistics(ward_codec, train, holdout, options=OPTIONS)
    measured = compared(ward_codec, train, holdout, synthetic, reference=None, options=OPTIONS)
    known = compared(ward_codec, train, holdout, synthetic, reference=reference, options=OPTIONS)
    assert known.portrait is reference.portrait
    assert known.features == measured.features
    assert known.portrait == measured.portrait
    assert known.told is not None
    assert measured.told is not None
    np.testing.assert_allclose(known.told.co_missing, measured.told.co_missing)


@pytest.mark.parametrize(("imputed", "filled"), [(None, True), (True, True), (False, False)])
def test_real_stays_are_filled_where_the_synthetic_ones_were(
    imputed: bool | None, filled: bool, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    train, complete = ward(300, 1), ward_codec.fill(ward(100, 3))
    reference = reference_statistics(ward_codec, train, None, options=OPTIONS)
    sides = compared(ward_codec, train, None, complete, reference=reference, options=OPTIONS, imputed=imputed)
    assert sides.imputed == filled
    assert sides.train_view is not None
    assert np.isnan(sides.train_view.stays.numerical).any() != filled
    assert sides.train_table is not None
    assert len(sides.train_table.channels) == (1 if filled else 3)


def test_stays_are_sorted_once_for_all_figures(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    sides = compared(ward_codec, ward(50, 1), None, ward(20, 3), reference=None, options=OPTIONS)
    assert sides.training_values is not None
    assert all((np.diff(values) >= 0).all() for values in sides.training_values)
    assert len(sides.units) == 2
