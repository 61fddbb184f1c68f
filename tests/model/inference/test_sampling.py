import pytest
import torch

from model.inference.fused import Fused
from model.inference.native import BUILDS
from model.inference.reference import Reference
from model.inference.sampling import SamplingDenoiser, threads_beside
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


def test_torch_keeps_its_threads_for_the_reference_and_rests_beside_an_engine_with_its_own() -> None:
    network = made_up_denoiser().network
    torch.set_num_threads(2)
    with threads_beside(Reference(network)):
        assert torch.get_num_threads() == 2
    try:
        fused = Fused(network, BUILDS[-1])
    except ImportError as error:
        pytest.skip(str(error))
    with threads_beside(fused):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
