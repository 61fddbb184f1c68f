import numpy as np

from model.evaluation.matrices import from_matrix, to_array, to_matrix, to_row


def test_matrices_survive_as_tuples() -> None:
    values = np.array([[1.0, np.nan], [0.5, 0.0]])
    assert to_matrix(values) == ((1.0, None), (0.5, 0.0))
    np.testing.assert_array_equal(from_matrix(to_matrix(values)), values)
    np.testing.assert_array_equal(to_array(to_row(values[0])), values[0])
    assert from_matrix(to_matrix(np.zeros((0, 0)))).shape == (0, 0)
