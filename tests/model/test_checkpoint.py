from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import (
    DESCRIPTION,
    WEIGHTS,
    LabelJoint,
    ModelDescription,
    load_model,
    read_description,
    save_model,
)
from model.compute import Compute
from model.data.codec import Codec
from model.data.layout import Column, TableLayout
from model.diffusion.denoiser import Denoiser
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.errors import CheckpointError
from model.training_run import TrainingSummary, dimensions_of

TINY = NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4)
CPU = Compute(device="cpu")


@pytest.fixture
def saved(toy_codec: Codec, tmp_path: Path) -> tuple[Path, Denoiser]:
    denoiser = Denoiser(
        dimensions_of(toy_codec, 6), TINY, learnable_schedule=True, generator=torch.Generator().manual_seed(0)
    )
    summary = TrainingSummary(
        steps=1,
        seconds=1,
        batch_size=1,
        learning_rate=1e-3,
        validation_loss=1,
        best_step=1,
        device="cpu",
        precision="float32",
        history=(),
    )
    description = ModelDescription(
        software_version="0.1.0",
        layout=TableLayout(columns=(Column(name="stay", dtype="int32"),), time_start=0, time_step=1),
        codec=toy_codec.state,
        network=TINY,
        training=TrainingConfig(),
        summary=summary,
        label_joint=LabelJoint.of(np.array([300, 7])),
        n_training_stays=307,
        seed=1,
    )
    save_model(description, denoiser, tmp_path)
    return tmp_path, denoiser


def test_a_model_comes_back_as_it_was(saved: tuple[Path, Denoiser]) -> None:
    folder, denoiser = saved
    model = load_model(folder, CPU)
    for name, value in denoiser.named_parameters():
        assert torch.equal(value, dict(model.denoiser.named_parameters())[name])
    assert model.schema.labels[0].name == "death"
    assert read_description(folder) == model.description


def test_small_counts_are_not_stored() -> None:
    joint = LabelJoint.of(np.array([[300, 7], [0, 11]]))
    assert joint.counts == (302, 5, 0, 11)
    assert joint.marginals == ((307, 11), (302, 16))
    assert LabelJoint.of(np.array([300, 7])).table().tolist() == [302, 5]


def test_rare_combinations_do_not_bend_the_rate_of_a_label() -> None:
    """32 combinations of 1 to 3 stays: each is stored as 5, and yet 1 in 4 has the first label, as in the data."""
    exact = np.array([3, 1]).repeat(16).reshape(2, 4, 4)
    table = LabelJoint.of(exact).table()
    assert table.sum(axis=(1, 2)) == pytest.approx([48, 16])
    assert table.sum(axis=(0, 1)) == pytest.approx([16, 16, 16, 16])


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "pickle"])
def test_a_damaged_model_is_refused(saved: tuple[Path, Denoiser], name: str, damage: str) -> None:
    path = saved[0] / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "pickle": b"\x80\x04N."}[damage])
    with pytest.raises(CheckpointError, match=name):
        load_model(saved[0], CPU)


def test_an_unknown_format_is_refused(saved: tuple[Path, Denoiser]) -> None:
    path = saved[0] / DESCRIPTION
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(CheckpointError, match="not of a known format"):
        load_model(saved[0], CPU)
