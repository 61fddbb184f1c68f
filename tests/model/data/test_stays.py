import numpy as np

from model.data.stays import Stays, concatenate


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


def ragged() -> Stays:
    numerical = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    codes = np.zeros((2, 3, 1), dtype=np.int64)
    return Stays(numerical, codes, np.zeros((2, 0), dtype=np.int64), lengths=np.array([1, 3]))


def test_nothing_is_left_after_the_end_of_a_stay() -> None:
    stays = ragged().ended()
    assert stays.inside.tolist() == [[True, False, False], [True, True, True]]
    assert stays.observed[:, :, 0].tolist() == stays.inside.tolist()
    assert (stays.categorical[:, :, 0] == 0).tolist() == stays.inside.tolist()


def test_lengths_go_with_their_stays() -> None:
    stays = ragged()
    assert stays.take(np.array([1, 0, 1])).n_steps.tolist() == [3, 1, 3]
    whole = Stays(stays.numerical, stays.categorical, stays.labels)
    assert whole.n_steps.tolist() == [3, 3]
    assert stays.replace(np.array([0]), stays.take(np.array([1]))).n_steps.tolist() == [3, 3]
    assert whole.replace(np.array([1]), stays.take(np.array([0]))).n_steps.tolist() == [3, 1]
    assert whole.replace(np.array([1]), whole.take(np.array([0]))).lengths is None
    assert concatenate([stays, whole]).n_steps.tolist() == [1, 3, 3, 3]
    assert concatenate([whole, whole]).lengths is None
