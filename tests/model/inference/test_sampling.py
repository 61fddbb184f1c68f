import torch

from model.inference.reference import Reference
from model.inference.sampling import SamplingDenoiser
from tests.model.inference.networks import made_up_denoiser


def test_with_the_reference_it_is_the_denoiser_to_the_bit() -> None:
    denoiser = made_up_denoiser()
    t = torch.tensor(0.4)
    sigma = denoiser.sigma(t[None])[0]
    state = torch.randn(5, *sigma.shape, generator=torch.Generator().manual_seed(1)) * sigma
    labels = torch.stack([torch.zeros(5, 2), torch.tensor([[1.0, 0.0]] * 5)])
    found = SamplingDenoiser(denoiser, Reference(denoiser.network))(state, sigma, t, labels)
    many = state.repeat(2, 1, 1)
    expected = denoiser(many, sigma.expand_as(many), t.expand(10), labels.flatten(0, 1))
    assert torch.equal(found.numerical.flatten(0, 1), expected.numerical)
    assert torch.equal(found.logits.flatten(0, 1), expected.logits)
