import pytest
import torch
from torch import Tensor, nn

from model.diffusion import gates_torch, recurrence
from model.diffusion.gates_native import native_gates
from model.diffusion.recurrence import bidirectional_gru, differentiable_gru


def layer(inputs: int, hidden: int, dtype: torch.dtype = torch.float32) -> nn.GRU:
    torch.manual_seed(0)
    return nn.GRU(inputs, hidden, batch_first=True, bidirectional=True, dtype=dtype)


def gradients(gru: nn.GRU, x: Tensor, output: Tensor) -> list[Tensor]:
    """Of a loss that weighs every output differently."""
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return list(torch.autograd.grad((weight * output).sum(), [x, *gru.parameters()]))


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float(((found - expected).norm() / expected.norm()).detach())


def test_gradients_are_those_of_finite_differences() -> None:
    gru = layer(3, 2, torch.float64)
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    parameters = tuple(gru.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: differentiable_gru(gru, x, torch.float64), (x, *parameters))


@pytest.mark.parametrize(("n", "length", "inputs", "hidden"), [(1, 1, 3, 2), (5, 7, 6, 4), (3, 25, 32, 16)])
def test_it_is_a_gru(n: int, length: int, inputs: int, hidden: int) -> None:
    gru = layer(inputs, hidden, torch.float64)
    x = torch.randn(n, length, inputs, dtype=torch.float64, requires_grad=True)
    found, expected = differentiable_gru(gru, x, torch.float64), gru(x)[0]
    assert relative_error(found, expected) < 1e-14
    for a, b in zip(gradients(gru, x, found), gradients(gru, x, expected), strict=True):
        assert (a - b).norm().item() <= 1e-13 * b.norm().item()


@pytest.mark.parametrize(("n", "length", "hidden", "bound"), [(64, 25, 16, 5e-3), (3, 4, 5, 2e-2), (1, 2, 2, 2e-2)])
@pytest.mark.parametrize("compiled", [False, True])
def test_bfloat16_is_as_close_as_that_of_torch(
    n: int, length: int, hidden: int, bound: float, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(recurrence, "gates_for", lambda _: gates_torch)
    elif native_gates() is None:
        pytest.skip("the gates were not compiled: there was no compiler")
    gru = layer(32, hidden)
    x = torch.randn(n, length, 32, requires_grad=True)
    truth = gru(x)[0]
    with torch.autocast("cpu", torch.bfloat16):
        found, rounded = bidirectional_gru(gru, x), gru(x)[0].float()
    assert found.dtype == torch.float32
    assert relative_error(found, truth) < max(bound, 1.1 * relative_error(rounded, truth))
    exact, ours, theirs = (gradients(gru, x, output) for output in (truth, found, rounded))
    for a, b, c in zip(exact, ours, theirs, strict=True):
        assert relative_error(b, a) < max(bound, 1.1 * relative_error(c, a))


def test_without_gradients_and_in_float32_it_is_torchs_own_bit_by_bit() -> None:
    gru = layer(6, 4)
    x = torch.randn(3, 5, 6)
    assert torch.equal(bidirectional_gru(gru, x), gru(x)[0])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(bidirectional_gru(gru, x), gru(x)[0])
