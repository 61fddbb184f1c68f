import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from model.diffusion.per_stay import per_stay_gru


class Weighted(nn.Module):
    """A number that depends on all outputs of a layer."""

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.gru = gru

    def forward(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (per_stay_gru(self.gru, x[None]) * weight).sum()


def test_the_gradients_of_each_stay_are_those_of_torch_for_this_stay_alone() -> None:
    torch.manual_seed(0)
    gru = nn.GRU(5, 4, batch_first=True, bidirectional=True)
    x, weight = torch.randn(3, 7, 5), torch.randn(3, 7, 8)
    layer = Weighted(gru)

    def loss(values: dict[str, torch.Tensor], x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = functional_call(layer, values, (x, weight))
        return result

    values = {name: value.detach() for name, value in layer.named_parameters()}
    of_weights, of_x = vmap(grad(loss, argnums=(0, 1)), in_dims=(None, 0, 0))(values, x, weight)
    for k in range(3):
        one = x[k : k + 1].clone().requires_grad_()
        gru.zero_grad()
        torch.autograd.backward((gru(one)[0] * weight[k]).sum())
        assert one.grad is not None
        torch.testing.assert_close(of_x[k], one.grad[0])
        for name, value in layer.named_parameters():
            torch.testing.assert_close(of_weights[name][k], value.grad, msg=name)
