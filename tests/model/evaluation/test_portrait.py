from collections.abc import Callable

import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.features import deviations
from model.evaluation.portrait import Portrait, portrait
from model.evaluation.view import view


def test_a_portrait_survives_json(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, holdout = ward(300, 1), ward(120, 2)
    found = portrait(view(train, ward_codec), view(holdout, ward_codec), ward_codec)
    assert Portrait.model_validate_json(found.model_dump_json()) == found
    assert found.deviations == deviations(train)
    assert found.map is not None
    assert found.rules == ()


@pytest.mark.parametrize("n", [0, 1, 10])
def test_of_ten_stays_nothing_is_kept(n: int, ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = portrait(view(ward(n, 1), ward_codec), None, ward_codec)
    assert found == Portrait(deviations=(None, None), rules=(), map=None)
