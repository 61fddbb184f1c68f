import torch

from model.baselines.categories import draw_codes


def test_codes_come_as_often_as_their_probabilities_say() -> None:
    log_p = torch.tensor([0.2, 0.5, 0.3]).log().expand(1, 100_000, 1, 3)
    codes = draw_codes(log_p, torch.rand(1, 100_000, 1, generator=torch.Generator().manual_seed(0)), torch.tensor([3]))
    shares = torch.bincount(codes.flatten()) / 100_000
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.5, 0.3]), atol=0.006, rtol=0)


def test_rounding_does_not_lead_into_the_padding() -> None:
    log_p = torch.tensor([0.3, 0.7, 0.0]).log().expand(1, 1, 1, 3)
    almost_one = torch.full((1, 1, 1), 1.0).nextafter(torch.zeros(1))
    assert draw_codes(log_p, almost_one, torch.tensor([2])).item() == 1
    assert draw_codes(log_p, torch.zeros(1, 1, 1), torch.tensor([2])).item() == 0
