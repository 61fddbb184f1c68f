import pytest
import torch

from model.diffusion.embedding import CategoryEmbedding


@pytest.fixture
def embedding() -> CategoryEmbedding:
    return CategoryEmbedding((2, 5, 1), dim=8, generator=torch.Generator().manual_seed(0))


def all_codes() -> torch.Tensor:
    """(1, 5, 3): every category of every channel at some step."""
    return torch.tensor([[[0, 0, 0], [1, 1, 0], [0, 2, 0], [1, 3, 0], [0, 4, 0]]])


def test_every_point_has_unit_rms_and_padding_is_zero(embedding: CategoryEmbedding) -> None:
    rms = embedding.table().square().mean(-1).sqrt()
    assert torch.allclose(rms, embedding.mask.float(), atol=1e-6)


def test_nearest_point_of_an_embedding_is_its_category(embedding: CategoryEmbedding) -> None:
    assert (embedding.nearest(embedding.embed(all_codes())) == all_codes()).all()


def test_nearest_agrees_with_euclidean_distance(embedding: CategoryEmbedding) -> None:
    z = torch.randn(4, 5, 3, 8, generator=torch.Generator().manual_seed(1))
    distance = (z[..., None, :] - embedding.table()).square().sum(-1).masked_fill(~embedding.mask, torch.inf)
    assert (embedding.nearest(z) == distance.argmin(-1)).all()


def test_embedding_equals_indexing_the_table(embedding: CategoryEmbedding) -> None:
    embedded = embedding.embed(all_codes())
    for j in range(3):
        assert torch.allclose(embedded[0, :, j], embedding.table()[j, all_codes()[0, :, j]])


def test_interpolation_of_equal_probabilities_is_the_centre(embedding: CategoryEmbedding) -> None:
    probabilities = embedding.mask.float() / embedding.mask.sum(1, keepdim=True)
    centre = embedding.table().sum(1) / embedding.mask.sum(1, keepdim=True)
    assert torch.allclose(embedding.interpolate(probabilities[None, None])[0, 0], centre, atol=1e-6)
