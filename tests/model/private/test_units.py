import numpy as np
import pytest

from model.private.units import Units, delta_for
from model.spec.errors import TrainingError
from model.spec.guarantee import PrivacyBudget
from tests.model.private.conftest import made_up


def test_without_patients_a_unit_is_a_stay() -> None:
    units = Units.of(made_up(7))
    assert (units.kind, units.size) == ("stay", 7)
    assert sorted(units.draw(1.0)) == list(range(7))


def test_a_patient_has_one_stay_in_a_step_however_many_there_are() -> None:
    stays = made_up(40, n_patients=5)
    assert stays.patients is not None
    units = Units.of(stays)
    assert (units.kind, units.size) == ("patient", len(np.unique(stays.patients)))
    seen = set()
    for _ in range(200):
        drawn = units.draw(1.0)
        assert sorted(stays.patients[drawn]) == list(np.unique(stays.patients))
        seen |= set(drawn.tolist())
    assert seen == set(range(40))
    weights = units.weights()
    assert np.allclose(np.bincount(stays.patients, weights)[np.unique(stays.patients)], 1)


def test_delta_is_a_power_of_ten_below_a_tenth_of_one_unit() -> None:
    budget = PrivacyBudget(epsilon=1)
    assert delta_for(budget, 9_600, "stay") == pytest.approx(1e-5)
    assert delta_for(budget, 10_000, "stay") == pytest.approx(1e-5)
    assert delta_for(budget, 10_001, "stay") == pytest.approx(1e-6)


def test_a_delta_of_one_unit_is_refused() -> None:
    with pytest.raises(TrainingError, match="below 1 / 100"):
        delta_for(PrivacyBudget(epsilon=1, delta=0.01), 100, "stay")
    assert delta_for(PrivacyBudget(epsilon=1, delta=0.0099), 100, "stay") == 0.0099
