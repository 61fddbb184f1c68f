from __future__ import annotations

import torch

from model.bench.naive import PlainLayer, naive_steps
from model.data.codec import Codec
from model.data.stays import Stays
from model.diffusion.denoiser import TIME_DIM, FiLMGRULayer
from tests.model.bench.learning import check_it_learns


def test_the_plain_layer_computes_what_ours_does() -> None:
    torch.manual_seed(0)
    ours = FiLMGRULayer(8)
    torch.nn.init.normal_(ours.film.weight, std=0.1)
    h, time = torch.randn(3, 5, 16), torch.randn(3, TIME_DIM)
    torch.testing.assert_close(PlainLayer(ours)(h, time), ours(h, time))


def test_the_loop_learns_and_every_step_is_one_batch(toy_stays: Stays, toy_codec: Codec) -> None:
    check_it_learns(naive_steps(toy_stays, toy_codec, batch_size=128, device=torch.device("cpu")))
