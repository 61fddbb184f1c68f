import pytest
import torch

from model.diffusion.denoiser import Denoised, Denoiser, Dimensions
from model.diffusion.guidance import Denoise, LabelScales, label_scales, one_hot_labels
from model.diffusion.guidance import guided as guided_branches
from model.inference.reference import Reference
from model.inference.sampling import SamplingDenoiser
from model.spec.config import GuidanceScale, NetworkConfig
from model.spec.schema import Label


@pytest.fixture
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    dimensions = Dimensions(sequence_length=4, n_numerical=2, channel_sizes=(2, 3), label_sizes=(2,))
    return Denoiser(
        dimensions,
        NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4),
        learnable_schedule=True,
        generator=torch.Generator().manual_seed(0),
    ).requires_grad_(False)


def at(denoiser: Denoiser) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    t = torch.tensor(0.4)
    sigma = denoiser.sigma(t[None])[0]
    return torch.randn(3, *sigma.shape, generator=torch.Generator().manual_seed(1)) * sigma, sigma, t


def guided(denoiser: Denoiser, label: torch.Tensor, *, scales: LabelScales) -> Denoise:
    return guided_branches(SamplingDenoiser(denoiser, Reference(denoiser.network)), label, scales=scales)


def branch(denoiser: Denoiser, label: torch.Tensor) -> Denoised:
    state, sigma, t = at(denoiser)
    denoised: Denoised = denoiser(state, sigma.expand_as(state), t.expand(3), label)
    return denoised


LABEL = torch.tensor([[1.0, 0.0]] * 3)


def test_one_hot_of_several_labels_and_zeros_where_not_given() -> None:
    codes = torch.tensor([[1, 2], [-1, 0], [0, -1]])
    expected = [[0, 1, 0, 0, 1], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert one_hot_labels(codes, (2, 3)).tolist() == expected


DEATH = (Label(name="death", categories=("0", "1")),)


def scales(numerical: float = 1.5, categorical: float = 1.5, **labels: float | dict[str, float]) -> LabelScales:
    return label_scales(GuidanceScale(numerical=numerical, categorical=categorical, labels=labels), DEATH)


def test_scale_one_is_the_conditional_branch(denoiser: Denoiser) -> None:
    result = guided(denoiser, LABEL, scales=scales(1, 1))(*at(denoiser))
    assert torch.allclose(result, denoiser.denoised_state(branch(denoiser, LABEL)), atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1.5])
def test_scale_zero_or_no_label_is_the_unconditional_branch(denoiser: Denoiser, scale: float) -> None:
    label = LABEL if scale == 0 else torch.zeros_like(LABEL)
    result = guided(denoiser, label, scales=scales(scale, scale))(*at(denoiser))
    expected = denoiser.denoised_state(branch(denoiser, torch.zeros_like(LABEL)))
    assert torch.allclose(result, expected, atol=1e-5)


def extrapolated(denoiser: Denoiser, label: torch.Tensor, numerical: float, categorical: float) -> torch.Tensor:
    """(1 + w) D(x, y) - w D(x, 0), with w = scale - 1, per kind of feature."""
    one, zero = branch(denoiser, label), branch(denoiser, torch.zeros_like(label))
    real = ~zero.logits.isinf()
    difference = torch.where(real, one.logits, 0) - torch.where(real, zero.logits, 0)
    logits = torch.where(real, zero.logits + categorical * difference, -torch.inf)
    values = zero.numerical + numerical * (one.numerical - zero.numerical)
    return denoiser.denoised_state(Denoised(values, logits))


def test_guidance_extrapolates_values_and_raw_logits(denoiser: Denoiser) -> None:
    result = guided(denoiser, LABEL, scales=scales(3.0, 2.0))(*at(denoiser))
    assert torch.allclose(result, extrapolated(denoiser, LABEL, 3.0, 2.0), atol=1e-5)


def test_a_category_may_have_a_scale_of_its_own(denoiser: Denoiser) -> None:
    """Stays with the other category keep the scale of their kind of feature."""
    label = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    result = guided(denoiser, label, scales=scales(3.0, 2.0, death={"1": 0.5}))(*at(denoiser))
    assert torch.allclose(result[:1], extrapolated(denoiser, label, 3.0, 2.0)[:1], atol=1e-5)
    assert torch.allclose(result[1:], extrapolated(denoiser, label, 0.5, 0.5)[1:], atol=1e-5)


@pytest.fixture
def two_labels() -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(
        Dimensions(sequence_length=4, n_numerical=2, channel_sizes=(2,), label_sizes=(2, 3)),
        NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4),
        learnable_schedule=True,
        generator=torch.Generator().manual_seed(0),
    ).requires_grad_(False)


BOTH = one_hot_labels(torch.tensor([[0, 2], [1, -1], [-1, 0]]), (2, 3))


def test_labels_of_different_scale_join_one_after_the_other(two_labels: Denoiser) -> None:
    """D_0 + s_1 (D_1 - D_0) + s_2 (D_12 - D_1); a label that is not given adds nothing."""
    result = guided(two_labels, BOTH, scales=LabelScales(*[torch.tensor([2.0, 2, 3, 3, 3])] * 2))(*at(two_labels))
    nothing, first, both = (branch(two_labels, BOTH * torch.tensor(mask)).numerical for mask in MASKS)
    expected = nothing + 2 * (first - nothing) + 3 * (both - first)
    assert torch.allclose(result[..., :2], expected, atol=1e-4)
    assert torch.equal(first[1], both[1])
    assert torch.equal(first[2], nothing[2])


MASKS = ([0.0] * 5, [1.0, 1, 0, 0, 0], [1.0] * 5)


def test_labels_of_one_scale_need_two_branches_and_agree_with_the_chain(two_labels: Denoiser) -> None:
    sizes: list[int] = []
    hook = two_labels.network.register_forward_hook(lambda module, args, output: sizes.append(len(args[0])))
    together = guided(two_labels, BOTH, scales=LabelScales(*[torch.full((5,), 2.0)] * 2))(*at(two_labels))
    nearly = LabelScales(*[torch.tensor([2.0, 2, 2, 2, 2 + 1e-6])] * 2)
    chained = guided(two_labels, BOTH, scales=nearly)(*at(two_labels))
    hook.remove()
    assert torch.allclose(together, chained, atol=1e-4)
    assert sizes == [6, 9]
