import numpy as np

from model.data.stays import Stays


def test_take_keeps_the_parts_of_a_stay_together() -> None:
    stays = Stays(
        numerical=np.array([[[1.0]], [[np.nan]], [[3.0]]], dtype=np.float32),
        categorical=np.array([[[0]], [[1]], [[2]]]),
        labels=np.array([[0], [1], [0]]),
        patients=np.array([7, 8, 9]),
    )
    assert len(stays) == 3
    assert stays.sequence_length == 1
    assert stays.observed.ravel().tolist() == [True, False, True]
    taken = stays.take(np.array([2, 0]))
    assert taken.numerical.ravel().tolist() == [3, 1]
    assert taken.categorical.ravel().tolist() == [2, 0]
    assert taken.patients is not None
    assert taken.patients.tolist() == [9, 7]
