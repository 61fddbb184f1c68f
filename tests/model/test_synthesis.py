import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from model.checkpoint import LabelJoint, Model, ModelDescription
from model.compute import Compute
from model.data.codec import Codec
from model.data.layout import Column, TableLayout
from model.data.stays import Stays
from model.inference.engine import Engine
from model.inference.reference import Reference
from model.spec.config import Missing, NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.errors import Cancelled, SamplingError
from model.strata import label_joint
from model.synthesis import Accept, accept_all, forget, synthesise
from model.training import train

NETWORK = NetworkConfig(hidden_dim=16, n_layers=1, embedding_dim=4)
TRAINING = TrainingConfig(max_steps=600, batch_size=128, learning_rate=5e-3)


@pytest.fixture(scope="module")
def model(toy_stays: Stays, toy_codec: Codec) -> Model:
    trained = train(
        toy_codec.encode(toy_stays),
        toy_codec,
        network=NETWORK,
        training=TRAINING,
        seed=0,
        compute=Compute(device="cpu", precision="float32"),
        workdir=None,
        progress=lambda *_: None,
        cancelled=lambda: False,
    )
    columns = tuple(Column(name=name, dtype="int64") for name in toy_codec.schema.columns)
    description = ModelDescription(
        software_version="0",
        layout=TableLayout(columns=columns, time_start=0, time_step=1),
        codec=toy_codec.state,
        network=NETWORK,
        training=TRAINING,
        summary=trained.summary,
        label_joint=LabelJoint.of(label_joint(toy_stays.labels, toy_codec.schema)),
        n_training_stays=len(toy_stays),
        seed=0,
    )
    denoiser = trained.module.requires_grad_(False)
    return Model(description, toy_codec, denoiser, Reference(denoiser.network))


def draw(
    model: Model,
    labels: np.ndarray,
    *,
    sampler: SamplerConfig | None = None,
    missing: Missing = "as_observed",
    seed: int = 0,
    chunk_size: int = 64,
    accept: Accept = accept_all,
    redrawn: Callable[[int], None] = forget,
) -> Stays:
    chunks = synthesise(
        model,
        labels[:, None],
        sampler=sampler or SamplerConfig(n_steps=20, solver="2m"),
        missing=missing,
        seed=seed,
        chunk_size=chunk_size,
        progress=lambda *_: None,
        cancelled=lambda: False,
        accept=accept,
        redrawn=redrawn,
    )
    parts = list(chunks)
    return Stays(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("numerical", "categorical", "labels"))
    )


@pytest.mark.parametrize("solver", ["euler", "2m"])
def test_the_label_that_was_asked_for_rules_the_values(model: Model, solver: str) -> None:
    """Truth: heart rate 110 and rhythm 1 with death, 80 and rhythm 0 without."""
    labels = np.arange(200) % 2
    sampler = SamplerConfig.model_validate({"solver": solver, "n_steps": 30, "guidance_scale": 1})
    stays = draw(model, labels, sampler=sampler)
    assert (stays.labels[:, 0] == labels).all()
    by_label = [np.nanmean(stays.numerical[labels == label]) for label in (0, 1)]
    assert by_label == pytest.approx([80, 110], abs=4)
    assert (stays.categorical[labels == 1] == 1).mean() > 0.8
    assert (stays.categorical[labels == 0] == 0).mean() > 0.8


def test_missing_values_come_at_the_training_rate_or_filled(model: Model) -> None:
    labels = np.zeros(300, dtype=np.int64)
    assert np.isnan(draw(model, labels).numerical).mean() == pytest.approx(0.2, abs=0.06)
    assert not np.isnan(draw(model, labels, missing="imputed").numerical).any()


def test_unconditioned_stays_carry_the_label_that_the_model_drew(model: Model) -> None:
    stays = draw(model, np.full(400, -1))
    assert set(np.unique(stays.labels)) == {0, 1}
    assert stays.labels.mean() == pytest.approx(0.25, abs=0.12)
    heart_rate = np.nanmean(stays.numerical, axis=(1, 2))
    assert ((heart_rate > 95) == (stays.labels[:, 0] == 1)).mean() > 0.9


def test_the_same_seed_gives_the_same_stays_chunk_by_chunk(model: Model) -> None:
    labels = np.zeros(70, dtype=np.int64)
    whole = draw(model, labels)
    assert np.array_equal(whole.numerical, draw(model, labels).numerical, equal_nan=True)
    # the first chunk does not know how many follow
    assert np.array_equal(whole.numerical[:64], draw(model, labels[:64]).numerical, equal_nan=True)
    assert not np.array_equal(whole.numerical, draw(model, labels, seed=1).numerical, equal_nan=True)


def test_churn_changes_the_stays_by_the_seed_alone(model: Model) -> None:
    sampler = SamplerConfig(n_steps=10, churn=0.5)
    labels = np.zeros(70, dtype=np.int64)
    churned = draw(model, labels, sampler=sampler)
    assert np.array_equal(churned.numerical, draw(model, labels, sampler=sampler).numerical, equal_nan=True)
    assert not np.array_equal(churned.categorical, draw(model, labels, sampler=SamplerConfig(n_steps=10)).categorical)


def test_chunks_differ_from_each_other(model: Model) -> None:
    stays = draw(model, np.zeros(128, dtype=np.int64))
    assert not np.array_equal(stays.numerical[:64], stays.numerical[64:], equal_nan=True)


def test_cancelling_stops_between_two_solver_steps(model: Model) -> None:
    seen: list[int] = []
    chunks = synthesise(
        model,
        np.zeros((10, 1), dtype=np.int64),
        sampler=SamplerConfig(n_steps=50),
        missing="as_observed",
        seed=0,
        chunk_size=10,
        progress=lambda _step, value, _max: seen.append(value),
        cancelled=lambda: len(seen) == 5,
    )
    with pytest.raises(Cancelled):
        next(chunks)
    assert len(seen) == 5


def test_values_that_are_not_finite_are_an_error_and_not_missing_values(model: Model) -> None:
    denoiser = copy.deepcopy(model.denoiser)
    denoiser.network.outputs.bias.fill_(torch.nan)
    broken = dataclasses.replace(model, denoiser=denoiser, engine=Reference(denoiser.network))
    with pytest.raises(SamplingError, match="not finite"):
        draw(broken, np.array([1]))


def test_one_stay(model: Model) -> None:
    assert len(draw(model, np.array([1]))) == 1


def test_the_exponents_stay_within_their_clamp(model: Model) -> None:
    for schedule in (model.denoiser.numerical_schedule, model.denoiser.embedding_schedule):
        assert torch.all((schedule.rho() >= 2) & (schedule.rho() <= 15))


def test_refused_stays_are_drawn_again_with_their_labels(model: Model) -> None:
    """Accepted are stays whose first heart rate is at most 110: about half of the deaths, and nearly all others."""

    def calm(stays: Stays) -> np.ndarray:
        return ~(stays.numerical[:, 0, 0] > 110)

    labels, counted = np.arange(100) % 2, list[int]()
    stays = draw(model, labels, chunk_size=64, missing="imputed", accept=calm, redrawn=counted.append)
    free = draw(model, labels, chunk_size=64, missing="imputed")
    refused = ~calm(free)
    assert calm(stays).all()
    assert stays.labels[:, 0].tolist() == labels.tolist()
    assert sum(counted) >= refused.sum() > 10
    kept = np.nonzero(~refused)[0]
    np.testing.assert_array_equal(stays.numerical[kept], free.numerical[kept])


def test_stays_that_no_attempt_makes_acceptable_are_an_error(model: Model) -> None:
    with pytest.raises(SamplingError, match="50 attempts"):
        draw(
            model,
            np.zeros(2, dtype=np.int64),
            sampler=SamplerConfig(n_steps=2),
            accept=lambda s: np.zeros(len(s), bool),
        )


@dataclasses.dataclass
class SmallMemory:
    """An engine for which more than `limit` stays are too many."""

    engine: Engine
    limit: int
    error: Exception
    sizes: list[int] = dataclasses.field(default_factory=list)
    name: str = "small memory"

    def __call__(
        self, scaled: torch.Tensor, t: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.sizes.append(len(scaled))
        if len(scaled) > self.limit:
            raise self.error
        return self.engine(scaled, t, labels)


@pytest.mark.parametrize("solver", [{"solver": "euler"}, {"solver": "2m"}, {"solver": "2m", "churn": 1}])
def test_a_chunk_that_the_memory_does_not_hold_is_drawn_in_halves_and_is_the_same(
    model: Model, solver: dict[str, object]
) -> None:
    labels = np.arange(100) % 2
    sampler = SamplerConfig.model_validate({**solver, "n_steps": 10})
    expected = draw(model, labels, sampler=sampler, missing="imputed")
    engine = SmallMemory(model.engine, 20, torch.OutOfMemoryError("CUDA out of memory"))
    model = dataclasses.replace(model, engine=engine)
    stays = draw(model, labels, sampler=sampler, missing="imputed")
    assert np.allclose(stays.numerical, expected.numerical, rtol=1e-5, atol=1e-4)
    assert np.array_equal(stays.categorical, expected.categorical)
    assert np.array_equal(stays.labels, expected.labels)
    assert sum(size > 20 for size in engine.sizes) == 2  # 64 stays, 32, and then 16 for the whole cohort
    assert draw(model, labels, sampler=sampler, missing="imputed").numerical.tobytes() == stays.numerical.tobytes()


def test_progress_does_not_go_back_within_a_chunk_that_is_halved(model: Model) -> None:
    model = dataclasses.replace(model, engine=SmallMemory(model.engine, 10, MemoryError()))
    told: list[int] = []
    sampler = SamplerConfig(n_steps=4, solver="2m")
    labels = np.zeros((40, 1), dtype=np.int64)
    for _ in synthesise(
        model,
        labels,
        sampler=sampler,
        missing="imputed",
        seed=0,
        chunk_size=40,
        progress=lambda _step, value, _max: told.append(value),
        cancelled=lambda: False,
    ):
        pass
    assert told == sorted(told)
    assert told[-1] == 40
