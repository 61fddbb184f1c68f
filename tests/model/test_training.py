from pathlib import Path

import numpy as np
import pytest
import torch

from model.compute import Compute
from model.data.codec import Codec, Encoded
from model.data.stays import Stays
from model.diffusion.denoiser import Denoiser
from model.objective import Denoising
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.errors import Cancelled, CheckpointError, Interrupted, NonFiniteLoss, TrainingError
from model.training import train
from model.training_run import Fitted, Fitting

TINY = NetworkConfig(hidden_dim=16, n_layers=1, embedding_dim=4)
CPU = Compute(device="cpu", precision="float32")


def quick(**changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"max_steps": 30, "batch_size": 64} | changes)


def fit(
    encoded: Encoded,
    codec: Codec,
    *,
    workdir: Path | None = None,
    stop_at: int | None = None,
    training: TrainingConfig | None = None,
    compute: Compute = CPU,
) -> Fitted[Denoiser]:
    steps: list[int] = []
    return train(
        encoded,
        codec,
        network=TINY,
        training=training or quick(),
        seed=3,
        compute=compute,
        workdir=workdir,
        progress=lambda _step, value, _max: steps.append(value),
        cancelled=lambda: stop_at is not None and len(steps) >= stop_at,
        checkpoint_seconds=0.0,
    )


@pytest.fixture
def encoded(toy_stays: Stays, toy_codec: Codec) -> Encoded:
    return toy_codec.encode(toy_stays)


def weights(fitted: Fitted[Denoiser]) -> dict[str, torch.Tensor]:
    return dict(fitted.module.named_parameters())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_falls(encoded: Encoded, toy_codec: Codec, precision: str) -> None:
    compute = Compute.model_validate({"device": "cpu", "precision": precision})
    history = fit(encoded, toy_codec, training=quick(max_steps=150), compute=compute).summary.history
    assert history[-1][1] < 0.6 * history[0][1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    encoded: Encoded, toy_codec: Codec, tmp_path: Path, precision: str
) -> None:
    compute = Compute.model_validate({"device": "cpu", "precision": precision})
    straight = fit(encoded, toy_codec, compute=compute)
    with pytest.raises(Cancelled):
        fit(encoded, toy_codec, workdir=tmp_path, stop_at=17, compute=compute)
    resumed = fit(encoded, toy_codec, workdir=tmp_path, compute=compute)
    assert resumed.summary.history == straight.summary.history
    for name, value in weights(straight).items():
        assert torch.equal(value, weights(resumed)[name]), name


def test_privacy_that_it_does_not_have_is_refused(encoded: Encoded, toy_codec: Codec) -> None:
    with pytest.raises(TrainingError, match="no differential privacy, which was asked for"):
        fit(encoded, toy_codec, training=quick(privacy={"epsilon": 8}))


def test_a_checkpoint_of_another_training_is_refused(encoded: Encoded, toy_codec: Codec, tmp_path: Path) -> None:
    fit(encoded, toy_codec, workdir=tmp_path)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit(encoded, toy_codec, workdir=tmp_path, training=quick(learning_rate=0.5))


def test_a_damaged_checkpoint_is_refused(encoded: Encoded, toy_codec: Codec, tmp_path: Path) -> None:
    fit(encoded, toy_codec, workdir=tmp_path)
    checkpoint = tmp_path / "training.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        fit(encoded, toy_codec, workdir=tmp_path)


def test_a_checkpoint_with_one_wrong_byte_is_refused(encoded: Encoded, toy_codec: Codec, tmp_path: Path) -> None:
    fit(encoded, toy_codec, workdir=tmp_path)
    checkpoint = tmp_path / "training.safetensors"
    content = bytearray(checkpoint.read_bytes())
    content[-1000] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(CheckpointError, match="not what was written"):
        fit(encoded, toy_codec, workdir=tmp_path)


def test_an_interrupted_training_is_kept_to_the_step_and_goes_on_to_the_same_weights(
    encoded: Encoded, toy_codec: Codec, tmp_path: Path
) -> None:
    def interrupted_at(limit: int) -> list[int]:
        steps: list[int] = []

        def ask() -> bool:
            if len(steps) >= limit:
                raise Interrupted("the process must end")
            return False

        with pytest.raises(Interrupted):
            train(
                encoded, toy_codec, network=TINY, training=quick(), seed=3, compute=CPU, workdir=tmp_path,
                progress=lambda _step, value, _max: steps.append(value), cancelled=ask, checkpoint_seconds=3600.0,
            )  # fmt: skip
        return steps

    assert interrupted_at(7) == [1, 2, 3, 4, 5, 6, 7]
    assert interrupted_at(5) == [8, 9, 10, 11, 12]
    resumed, whole = weights(fit(encoded, toy_codec, workdir=tmp_path)), weights(fit(encoded, toy_codec))
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_a_loss_that_is_not_finite_stops_and_says_where(encoded: Encoded, toy_codec: Codec) -> None:
    broken = encoded._replace(
        numerical=np.where(np.arange(len(encoded.numerical))[:, None, None] == 7, np.inf, encoded.numerical)
    )
    with pytest.raises(NonFiniteLoss, match=r"at step [0-6];"):
        fit(broken, toy_codec)


def test_time_is_a_limit_too(encoded: Encoded, toy_codec: Codec) -> None:
    summary = fit(encoded, toy_codec, training=quick(max_steps=10_000_000, max_minutes=0.02)).summary
    assert 0 < summary.steps < 10_000
    assert 1.0 <= summary.seconds < 60  # and not for ever; the machine may be busy
    assert len(summary.history) > 5  # looked at on the way, not only at its ends


@pytest.mark.parametrize("schedule", ["learnable", "fixed"])
def test_the_schedule_is_learned_only_when_asked(encoded: Encoded, toy_codec: Codec, schedule: str) -> None:
    denoiser = fit(encoded, toy_codec, training=quick(noise_schedule=schedule)).module
    moved = float(denoiser.embedding_schedule.rho_feature.abs().sum())
    assert (moved > 0) == (schedule == "learnable")


@pytest.mark.parametrize(("rate_schedule", "steps"), [("cosine", 120), ("cosine", 240), ("constant", 120)])
def test_a_schedule_travels_no_further_however_long_the_training(
    encoded: Encoded, toy_codec: Codec, rate_schedule: str, steps: int
) -> None:
    asked = {"max_steps": steps, "learning_rate": 0.03, "learning_rate_schedule": rate_schedule, "ema_decay": 0.0}
    moved = [
        _moved(fit(encoded, toy_codec, training=quick(**asked, schedule_learning_rate=1.0, schedule_travel=travel)))
        for travel in (0.2, 1000.0)
    ]
    assert moved[0] < 0.25  # Adam's steps may be a little longer than its rate
    assert moved[1] > 0.3


def _moved(fitted: Fitted[Denoiser]) -> float:
    """The longest way of a part of an exponent that began at 0."""
    schedules = (fitted.module.numerical_schedule, fitted.module.embedding_schedule)
    return max(float(part.abs().max()) for each in schedules for part in (each.rho_feature, each.rho_step))


def test_every_stay_is_seen_once_an_epoch(encoded: Encoded, toy_codec: Codec) -> None:
    training = quick(batch_size=95)
    run = Fitting(encoded, toy_codec, objective=Denoising(TINY, training), training=training, seed=0, compute=CPU)
    n = len(run.data[2])
    assert n == 380
    seen = []
    for run.step in range(4):
        seen.append(run._batch())
    assert sorted(torch.cat(seen).tolist()) == list(range(n))


def test_more_stays_in_a_batch_than_there_are(toy_stays: Stays, toy_codec: Codec) -> None:
    few = toy_codec.encode(toy_stays.take(slice(0, 3)))
    assert fit(few, toy_codec, training=quick(max_steps=3)).summary.batch_size == 64


def test_one_stay_trains(toy_stays: Stays, toy_codec: Codec) -> None:
    one = toy_codec.encode(toy_stays.take(slice(0, 1)))
    assert fit(one, toy_codec, training=quick(max_steps=3, batch_size=1)).summary.steps == 3
