import pytest
import torch

from model.diffusion import gates_native
from model.diffusion.gates_native import NativeGates, native_gates


@pytest.fixture
def library() -> NativeGates:
    found = native_gates()
    if found is None:
        pytest.skip("the gates were not compiled: there was no compiler")
    return found


def first_step(value: float) -> torch.Tensor:
    """The gates n, v, r, z of one stay with one unit per direction, all of whose inputs are `value`."""
    library = native_gates()
    assert library is not None
    projected = torch.full((2, 1, 1, 3), value, dtype=torch.bfloat16)
    recurrent = torch.zeros(2, 1, 3, dtype=torch.bfloat16)
    states, kept = torch.zeros(2, 2, 1, 1, dtype=torch.bfloat16), torch.zeros(2, 1, 1, 4, dtype=torch.bfloat16)
    library.run_steps(projected, recurrent, torch.zeros(2, 1, 4), states, kept)
    return kept[0, 0, 0].float()


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("value", [-1e4, -90.0, -3.0, -0.5, 0.0, 0.25, 2.0, 50.0, 1e4])
def test_gates_are_sigmoids_and_a_tanh_also_far_out(value: float) -> None:
    x = torch.tensor(value)
    expected = torch.stack([x.tanh(), torch.tensor(0.0), x.sigmoid(), x.sigmoid()])
    torch.testing.assert_close(first_step(value), expected, rtol=4e-3, atol=1e-8)


@pytest.mark.usefixtures("library")
def test_what_is_not_a_number_stays_so() -> None:
    assert first_step(float("nan"))[[0, 2, 3]].isnan().all()


def test_without_a_library_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(gates_native, "FOLDER", tmp_path)
    assert native_gates.__wrapped__() is None
