import pytest
import torch

from model.baselines.backbone import Backbone, BackboneNetwork, positions


def network(backbone: Backbone, length: int = 5) -> BackboneNetwork:
    torch.manual_seed(0)
    made = BackboneNetwork(backbone, n_inputs=3, n_outputs=4, hidden_dim=8, n_layers=2, length=length)
    for layer in made.layers:
        torch.nn.init.normal_(layer.film.weight, std=0.1)  # type: ignore[union-attr,arg-type]
    return made.eval()


@pytest.mark.parametrize("backbone", ["gru", "transformer"])
def test_every_output_sees_every_clinical_step_and_the_diffusion_time(backbone: Backbone) -> None:
    made, x, t = network(backbone), torch.zeros(2, 5, 3), torch.tensor([0.2, 0.2])
    plain = made(x, t)
    assert plain.shape == (2, 5, 4)
    assert not torch.allclose(plain, made(x, torch.tensor([0.7, 0.7])))
    for step in range(5):
        changed = x.clone()
        changed[0, step] = 1.0
        moved = (made(changed, t) - plain).abs().sum(-1) > 1e-7
        assert moved.tolist() == [[True] * 5, [False] * 5]


def test_the_transformer_knows_the_order_of_the_steps() -> None:
    made, t = network("transformer"), torch.tensor([0.5])
    x = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(made(x.flip(1), t).flip(1), made(x, t), atol=1e-4)


def test_positions_are_all_different() -> None:
    distances = torch.cdist(positions(300, 16), positions(300, 16)) + torch.eye(300)
    assert float(distances.min()) > 0.1
