import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.split import split
from model.data.stays import Stays
from model.spec.errors import TrainingError


def numbered_stays(n: int, patients: list[int] | None = None) -> Stays:
    """Stays that carry their own number as their only value."""
    return Stays(
        numerical=np.arange(n, dtype=np.float32).reshape(n, 1, 1),
        categorical=np.empty((n, 1, 0), dtype=np.int64),
        labels=np.empty((n, 0), dtype=np.int64),
        patients=None if patients is None else np.array(patients),
    )


def numbers(stays: Stays) -> list[int]:
    return stays.numerical.ravel().astype(int).tolist()


def test_split_puts_the_asked_share_aside_and_loses_no_stay() -> None:
    train, holdout = split(numbered_stays(10), holdout_fraction=0.2, seed=0)
    assert (len(train), len(holdout)) == (8, 2)
    assert sorted(numbers(train) + numbers(holdout)) == list(range(10))
    assert numbers(train) == sorted(numbers(train))


def test_split_depends_on_the_seed_only() -> None:
    stays = numbered_stays(100)
    first = split(stays, holdout_fraction=0.2, seed=1).holdout
    again = split(stays, holdout_fraction=0.2, seed=1).holdout
    other = split(stays, holdout_fraction=0.2, seed=2).holdout
    assert numbers(first) == numbers(again) != numbers(other)


@given(st.lists(st.integers(0, 8), min_size=2, max_size=40).filter(lambda p: len(set(p)) > 1), st.floats(0.01, 0.99))
def test_split_keeps_a_patient_on_one_side(patients: list[int], fraction: float) -> None:
    train, holdout = split(numbered_stays(len(patients), patients), holdout_fraction=fraction, seed=3)
    assert train.patients is not None
    assert holdout.patients is not None
    assert not set(train.patients) & set(holdout.patients)
    n_patients = len(set(patients))
    assert len(set(holdout.patients)) == min(max(round(fraction * n_patients), 1), n_patients - 1)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_split_leaves_no_side_empty(fraction: float) -> None:
    train, holdout = split(numbered_stays(3), holdout_fraction=fraction, seed=0)
    assert len(train) >= 1
    assert len(holdout) >= 1


@pytest.mark.parametrize(
    ("stays", "unit"), [(numbered_stays(1), "1 stay"), (numbered_stays(3, [4, 4, 4]), "1 patient")]
)
def test_split_of_one_patient_is_an_error(stays: Stays, unit: str) -> None:
    with pytest.raises(TrainingError, match=unit):
        split(stays, holdout_fraction=0.2, seed=0)
