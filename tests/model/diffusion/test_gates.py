import pytest
import torch

from model.diffusion import gates_torch
from model.diffusion.gates import gates_for, largest_error
from model.diffusion.gates_native import native_gates


class Wrong:
    """Gates that leave everything as it was."""

    def run_steps(self, *_: torch.Tensor) -> None:
        return

    run_steps_back = run_steps


def test_by_type_and_device() -> None:
    assert gates_for(torch.zeros(1)) is gates_torch
    assert gates_for(torch.zeros(1, dtype=torch.bfloat16)) is (native_gates() or gates_torch)


def test_wrong_ones_are_told() -> None:
    assert largest_error(gates_torch, torch.device("cpu")) == 0
    assert largest_error(Wrong(), torch.device("cpu")) > 0.5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_they_are_tritons() -> None:
    gates_triton = pytest.importorskip("model.diffusion.gates_triton")
    assert gates_for(torch.zeros(1, device="cuda")) is gates_triton
