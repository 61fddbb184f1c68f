from pathlib import Path

import numpy as np
import pytest

from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.generators import Cdmt, TrainedGenerator
from model.spec.config import NetworkConfig, SamplerConfig, TrainingConfig
from model.synthesis import UNCONDITIONED
from model.training_run import Fitting

GENERATOR = Cdmt(
    NetworkConfig(hidden_dim=16, n_layers=1, embedding_dim=4),
    TrainingConfig(max_steps=60, batch_size=64, learning_rate=5e-3),
    SamplerConfig(n_steps=4),
)
UNCOND = Cdmt(GENERATOR.network, GENERATOR.training, GENERATOR.sampler, conditional=False)


def trained(generator: Cdmt, stays: Stays, codec: Codec, workdir: Path) -> TrainedGenerator:
    return generator.train(
        stays,
        codec,
        seed=0,
        compute=Compute(device="cpu", precision="float32"),
        workdir=workdir,
        progress=lambda *_: None,
        cancelled=lambda: False,
    )


def drawn(generator: TrainedGenerator, labels: np.ndarray[tuple[int, int], np.dtype[np.int64]], seed: int = 0) -> Stays:
    return generator.sample(labels, seed=seed, progress=lambda *_: None, cancelled=lambda: False)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def ours(toy_stays: Stays, toy_codec: Codec, workdir: Path) -> TrainedGenerator:
    return trained(GENERATOR, toy_stays, toy_codec, workdir)


def asked(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return (np.arange(n) % 2)[:, None]


def test_the_labels_are_those_that_were_asked_for(ours: TrainedGenerator) -> None:
    assert np.array_equal(drawn(ours, asked(40)).labels, asked(40))


def test_labels_that_are_left_open_are_read_out_of_the_stays(ours: TrainedGenerator) -> None:
    labels = drawn(ours, np.full((200, 1), UNCONDITIONED)).labels
    assert set(np.unique(labels)) <= {0, 1}
    assert (labels == 0).mean() > 0.5  # three of four training stays


def test_uncond_leaves_all_labels_open_whatever_is_asked(
    ours: TrainedGenerator, toy_stays: Stays, toy_codec: Codec, workdir: Path
) -> None:
    uncond = trained(UNCOND, toy_stays, toy_codec, workdir)  # the same training: only the drawing differs
    assert np.array_equal(drawn(uncond, asked(60)).labels, drawn(ours, np.full((60, 1), UNCONDITIONED)).labels)


def test_the_same_seed_draws_the_same_stays_and_another_one_others(ours: TrainedGenerator) -> None:
    first, again, other = drawn(ours, asked(20)), drawn(ours, asked(20)), drawn(ours, asked(20), seed=1)
    assert np.array_equal(first.numerical, again.numerical, equal_nan=True)
    assert not np.array_equal(first.numerical, other.numerical, equal_nan=True)


def test_stays_from_several_chunks_are_put_together(ours: TrainedGenerator) -> None:
    assert len(drawn(ours, asked(515))) == 515


def test_a_finished_training_is_not_done_again(
    ours: TrainedGenerator, toy_stays: Stays, toy_codec: Codec, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(_: object) -> None:
        raise AssertionError("it trains")

    checkpoint = workdir / "training.safetensors"
    written = checkpoint.stat().st_mtime_ns
    monkeypatch.setattr(Fitting, "advance", advance)
    again = trained(GENERATOR, toy_stays, toy_codec, workdir)
    assert np.array_equal(drawn(again, asked(9)).numerical, drawn(ours, asked(9)).numerical, equal_nan=True)
    assert checkpoint.stat().st_mtime_ns == written


def test_the_training_key_knows_what_is_learned_and_not_how_stays_are_drawn() -> None:
    assert UNCOND.training_key == GENERATOR.training_key
    longer = Cdmt(GENERATOR.network, TrainingConfig(max_steps=61), GENERATOR.sampler)
    assert longer.training_key != GENERATOR.training_key
