import torch

from model.diffusion.precond import c_in, c_out, c_skip


def test_noisy_input_is_scaled_to_unit_variance_and_so_is_the_target() -> None:
    """Karras et al. (2022), appendix B.6: with data of unit variance, Var[c_in x] = Var[F's target] = 1."""
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 100_000, generator=generator).double()
    for level in (0.002, 0.5, 1.0, 80.0):
        sigma = torch.tensor(level, dtype=torch.float64)
        noisy = clean + sigma * noise
        assert abs((c_in(sigma) * noisy).std() - 1) < 0.01
        assert abs(((clean - c_skip(sigma) * noisy) / c_out(sigma)).std() - 1) < 0.01


def test_without_noise_the_input_is_the_answer_and_with_much_the_network_is() -> None:
    assert c_skip(torch.tensor(0.0)) == 1
    assert c_out(torch.tensor(0.0)) == 0
    assert c_skip(torch.tensor(1e4)) < 1e-6
    assert abs(c_out(torch.tensor(1e4)) - 1) < 1e-6
