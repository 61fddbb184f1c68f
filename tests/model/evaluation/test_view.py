from collections.abc import Callable

import numpy as np

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.view import view


def test_filling_fills_both_forms_and_measures_nothing(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(50, 1)
    stays.numerical[3, :, 0] = np.nan
    plain, filled = view(stays, ward_codec), view(stays, ward_codec, fill=True)
    assert np.isnan(plain.stays.numerical).any()
    assert not np.isnan(filled.stays.numerical).any()
    np.testing.assert_array_equal(filled.table.measured, plain.table.measured)
    np.testing.assert_array_equal(filled.table.numerical, plain.table.numerical)
    assert not filled.table.measured[3, 0]


def test_taking_stays_takes_them_in_both_forms(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    whole, index = view(ward(50, 1), ward_codec), np.array([4, 7])
    part = whole.take(index)
    assert len(part) == 2
    np.testing.assert_array_equal(part.stays.numerical, whole.stays.numerical[index])
    np.testing.assert_array_equal(part.table.categorical, whole.table.categorical[index])
