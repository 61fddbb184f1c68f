import pytest
import torch

from model.captured import RUNS_BEFORE_CAPTURE, Captured


def noise_by_seed(device: str) -> tuple[Captured, torch.Tensor]:
    """Work that writes four random numbers into a tensor that stays where it is."""
    target = torch.zeros(4, device=device)

    def work(generator: torch.Generator) -> None:
        target.copy_(torch.randn(4, generator=generator, device=device))

    return Captured(work, name="noise", device=torch.device(device)), target


def test_what_is_drawn_follows_from_the_seed() -> None:
    run, target = noise_by_seed("cpu")
    seen = []
    for seed in (1, 2, 1):
        run(seed=seed)
        seen.append(target.clone())
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], torch.randn(4, generator=torch.Generator().manual_seed(2)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graph_draws_what_the_plain_runs_draw() -> None:
    run, target = noise_by_seed("cuda")
    plain = []
    for seed in range(RUNS_BEFORE_CAPTURE):
        run(seed=seed)
        plain.append(target.clone())
    assert run._graph is not None
    for seed in range(RUNS_BEFORE_CAPTURE):
        run(seed=seed)
        assert torch.equal(target, plain[seed])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_what_cannot_be_captured_is_run_as_it_is() -> None:
    count = torch.zeros((), device="cuda")

    def work(_: torch.Generator) -> None:
        count.add_(1)
        assert float(count) > 0  # a value that is looked at

    run = Captured(work, name="count", device=count.device)
    for _ in range(RUNS_BEFORE_CAPTURE + 2):
        run()
    assert float(count) == RUNS_BEFORE_CAPTURE + 2
