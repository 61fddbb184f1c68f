from collections.abc import Callable

import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import compared
from model.evaluation.fidelity_floors import holdout_tasks
from model.evaluation.fidelity_tasks import fidelity_tasks
from model.evaluation.space import NotAvailable, no_tick
from model.evaluation.view import view
from model.spec.report import EvaluationOptions


def test_they_are_what_a_report_says_of_the_holdout(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    options = EvaluationOptions()
    train, holdout = ward(300, 1), ward(200, 2)
    sides = compared(ward_codec, train, holdout, ward(200, 3), reference=None, options=options)
    assert sides.portrait is not None
    seen, aside = view(train, ward_codec), view(holdout, ward_codec)
    tasks = dict(holdout_tasks(seen, aside, features=sides.features, portrait=sides.portrait, options=options))
    reported = dict(fidelity_tasks(sides, ward_codec))
    assert tasks.keys() == reported.keys()
    for name in tasks.keys() - {"tails", "rules"}:
        assert tasks[name](no_tick).value == pytest.approx(reported[name](no_tick).holdout_value), name
    with pytest.raises(NotAvailable, match="names no rules"):
        tasks["rules"](no_tick)
    with pytest.raises(NotAvailable, match="rarest"):
        tasks["tails"](no_tick)


def test_the_extreme_of_one_holdout_stay_is_not_in_a_floor(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    options = EvaluationOptions()
    train, holdout = ward(6000, 1), ward(300, 2)
    found = []
    for extreme in (150, 250):
        holdout.numerical[5, 2, 1] = extreme
        sides = compared(ward_codec, train, holdout, ward(50, 3), reference=None, options=options)
        assert sides.portrait is not None
        seen, aside = view(train, ward_codec), view(holdout, ward_codec)
        tasks = dict(holdout_tasks(seen, aside, features=sides.features, portrait=sides.portrait, options=options))
        with pytest.raises(NotAvailable, match="rarest"):
            tasks["tails"](no_tick)
        found.append(sides.features[2].holdout)
    assert found[0] is not None
    assert found[0].quantiles["99.9"] is None
    assert found[0] == found[1]
