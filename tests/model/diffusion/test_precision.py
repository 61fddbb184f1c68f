import torch

from model.diffusion.precision import MixedPrecision


def test_products_are_computed_in_the_precision_asked_for() -> None:
    module, x = MixedPrecision(), torch.ones(2, 2)
    with module.products(x.device):
        assert (x @ x).dtype == torch.float32
    module.compute_dtype = torch.bfloat16
    with module.products(x.device):
        assert (x @ x).dtype == torch.bfloat16
    assert (x @ x).dtype == torch.float32
