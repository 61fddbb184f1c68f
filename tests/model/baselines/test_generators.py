"""Both baselines as generators: learned from small tables, and drawn from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.baselines.backbone import Backbone
from model.baselines.mask_diffusion import MaskDiffusion
from model.baselines.timediff import TimeDiff
from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.generators import Generator, TrainedGenerator
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.errors import Cancelled, SamplingError
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

CPU = Compute(device="cpu", precision="float32")
NETWORK = NetworkConfig(hidden_dim=16, n_layers=1, embedding_dim=4)
LONG = TrainingConfig(max_steps=400, batch_size=128, learning_rate=1e-2, ema_decay=0.98)
SHORT = TrainingConfig(max_steps=12, batch_size=64)


def timediff(training: TrainingConfig, *, n_steps: int = 10, backbone: Backbone = "gru") -> TimeDiff:
    return TimeDiff(training=training, hidden_dim=16, n_layers=1, n_steps=n_steps, backbone=backbone)


def mask_diffusion(training: TrainingConfig, *, conditional: bool = True) -> MaskDiffusion:
    return MaskDiffusion(
        network=NETWORK, training=training, n_steps=20, guidance_scale=1.0, conditional=conditional, chunk_size=100
    )


SHORTLY: list[Generator] = [timediff(SHORT), timediff(SHORT, backbone="transformer"), mask_diffusion(SHORT)]
NAMES = ["timediff-gru", "timediff-transformer", "mask-diffusion"]


def learn(generator: Generator, stays: Stays, codec: Codec, workdir: Path, *, stop_at: int = 10**9) -> TrainedGenerator:
    steps: list[int] = []
    return generator.train(
        stays,
        codec,
        seed=1,
        compute=CPU,
        workdir=workdir,
        progress=lambda _step, value, _max: steps.append(value),
        cancelled=lambda: len(steps) >= stop_at,
    )


def draw(trained: TrainedGenerator, labels: np.ndarray, *, seed: int = 0) -> Stays:
    return trained.sample(labels, seed=seed, progress=lambda *_: None, cancelled=lambda: False)


def unasked(n: int) -> np.ndarray:
    return np.full((n, 1), -1)


@pytest.mark.parametrize("backbone", ["gru", "transformer"])
def test_timediff_learns_the_table(backbone: Backbone, toy_stays: Stays, toy_codec: Codec, tmp_path: Path) -> None:
    """Truth: one in four dies, with a heart rate of 110 and af; the others have 80 and sinus; 1 in 5 is missing."""
    stays = draw(learn(timediff(LONG, n_steps=100, backbone=backbone), toy_stays, toy_codec, tmp_path), unasked(400))
    death, heart_rate = stays.labels[:, 0] == 1, np.nanmean(stays.numerical, axis=(1, 2))
    assert death.mean() == pytest.approx(0.25, abs=0.12)
    assert np.isnan(stays.numerical).mean() == pytest.approx(0.2, abs=0.06)
    assert [heart_rate[~death].mean(), heart_rate[death].mean()] == pytest.approx([80, 110], abs=5)
    assert (stays.categorical[death] == 1).mean() > 0.75
    assert (stays.categorical[~death] == 0).mean() > 0.75


def test_mask_diffusion_follows_labels_and_draws_its_own(toy_stays: Stays, toy_codec: Codec, tmp_path: Path) -> None:
    trained = learn(mask_diffusion(LONG), toy_stays, toy_codec, tmp_path)
    asked = np.arange(300)[:, None] % 2
    stays = draw(trained, asked)
    assert (stays.labels == asked).all()
    by_label = [np.nanmean(stays.numerical[asked[:, 0] == label]) for label in (0, 1)]
    assert by_label == pytest.approx([80, 110], abs=5)
    assert (stays.categorical[asked[:, 0] == 1] == 1).mean() > 0.75
    assert np.isnan(stays.numerical).mean() == pytest.approx(0.2, abs=0.06)
    own = draw(trained, unasked(300))
    assert own.labels.mean() == pytest.approx(0.25, abs=0.15)
    assert ((np.nanmean(own.numerical, axis=(1, 2)) > 95) == (own.labels[:, 0] == 1)).mean() > 0.85
    left_to_it = learn(mask_diffusion(LONG, conditional=False), toy_stays, toy_codec, tmp_path)  # takes it up, done
    np.testing.assert_array_equal(draw(left_to_it, asked).numerical, own.numerical)


def test_timediff_cannot_be_asked_for_labels(toy_stays: Stays, toy_codec: Codec, tmp_path: Path) -> None:
    trained = learn(timediff(SHORT), toy_stays, toy_codec, tmp_path)
    with pytest.raises(SamplingError, match="cannot be asked for labels"):
        draw(trained, np.array([[-1], [0]]))


@pytest.mark.parametrize("generator", SHORTLY, ids=NAMES)
def test_the_same_seed_gives_the_same_stays(
    generator: Generator, toy_stays: Stays, toy_codec: Codec, tmp_path: Path
) -> None:
    trained = learn(generator, toy_stays, toy_codec, tmp_path)
    first, second, other = (draw(trained, unasked(5), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.numerical, second.numerical)
    np.testing.assert_array_equal(first.categorical, second.categorical)
    assert not np.array_equal(first.numerical, other.numerical, equal_nan=True)


@pytest.mark.parametrize("generator", SHORTLY, ids=NAMES)
def test_a_training_that_was_stopped_goes_on_to_the_same_stays(
    generator: Generator, toy_stays: Stays, toy_codec: Codec, tmp_path: Path
) -> None:
    (tmp_path / "straight").mkdir()
    (tmp_path / "stopped").mkdir()
    straight = learn(generator, toy_stays, toy_codec, tmp_path / "straight")
    with pytest.raises(Cancelled):
        learn(generator, toy_stays, toy_codec, tmp_path / "stopped", stop_at=7)
    resumed = learn(generator, toy_stays, toy_codec, tmp_path / "stopped")
    np.testing.assert_array_equal(draw(resumed, unasked(5)).numerical, draw(straight, unasked(5)).numerical)


@pytest.mark.parametrize("generator", SHORTLY, ids=NAMES)
def test_sampling_is_cancelled_between_two_steps(
    generator: Generator, toy_stays: Stays, toy_codec: Codec, tmp_path: Path
) -> None:
    trained, told = learn(generator, toy_stays, toy_codec, tmp_path), list[int]()
    with pytest.raises(Cancelled):
        trained.sample(
            unasked(8),
            seed=0,
            progress=lambda _step, value, _max: told.append(value),
            cancelled=lambda: len(told) == 5,
        )
    assert len(told) == 5


def odd_table(name: str) -> tuple[Stays, Schema]:
    """30 stays of one kind or another that careless code does not survive."""
    rng, n, length = np.random.default_rng(0), 30, 1 if name == "one step" else 4
    n_numerical, n_categorical = 0 if name == "no numbers" else 2, 0 if name == "no categories" else 1
    numerical = rng.normal(50, 5, (n, length, n_numerical)).astype(np.float32)
    if name == "constant":
        numerical[:] = 7.0
    categorical = np.zeros((n, length, n_categorical), dtype=np.int64)
    if name != "constant":
        categorical += rng.integers(0, 5, categorical.shape)
    schema = Schema(
        stay_id="stay",
        time="hour",
        sequence_length=length,
        features=(
            *(NumericalFeature(name=f"number_{j}") for j in range(n_numerical)),
            *(CategoricalFeature(name=f"kind_{j}", categories=tuple("abcde")) for j in range(n_categorical)),
        ),
        labels=(Label(name="outcome", categories=("0", "1", "2")),),
    )
    stays = Stays(numerical, categorical, rng.integers(0, 3, (n, 1)))
    return (stays.take(slice(0, 1)) if name == "one stay" else stays), schema


@pytest.mark.parametrize("name", ["many", "no numbers", "no categories", "constant", "one stay", "one step"])
@pytest.mark.parametrize("generator", SHORTLY, ids=NAMES)
def test_odd_tables(generator: Generator, name: str, tmp_path: Path) -> None:
    stays, schema = odd_table(name)
    codec = Codec.fit(stays, schema)
    drawn = draw(learn(generator, stays, codec, tmp_path), unasked(3))
    assert drawn.numerical.shape == (3, *stays.numerical.shape[1:])
    assert drawn.categorical.shape == (3, *stays.categorical.shape[1:])
    assert ((drawn.labels >= 0) & (drawn.labels < 3)).all()
    assert (drawn.categorical < 5).all()
    if name == "constant":
        np.testing.assert_allclose(drawn.numerical[~np.isnan(drawn.numerical)], 7.0)


def test_keys_tell_trainings_apart_and_not_ways_to_draw() -> None:
    keys = [generator.training_key for generator in SHORTLY]
    assert len(set(keys)) == 3
    assert timediff(SHORT).model_copy(update={"missing": "imputed"}).training_key == keys[0]
    assert timediff(SHORT).model_copy(update={"categorical_weight": 3.0}).training_key != keys[0]
    assert mask_diffusion(SHORT, conditional=False).training_key == keys[2]


def test_odd_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 2"):
        TimeDiff(training=SHORT, hidden_dim=7)


def test_bfloat16_trains(toy_stays: Stays, toy_codec: Codec, tmp_path: Path) -> None:
    for number, generator in enumerate(SHORTLY):
        (tmp_path / str(number)).mkdir()
        trained = generator.train(
            toy_stays,
            toy_codec,
            seed=0,
            compute=Compute(device="cpu", precision="bfloat16"),
            workdir=tmp_path / str(number),
            progress=lambda *_: None,
            cancelled=lambda: False,
        )
        assert draw(trained, unasked(2)).numerical.dtype == np.float32
        assert torch.get_default_dtype() == torch.float32
