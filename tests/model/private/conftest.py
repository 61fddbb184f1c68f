"""Tiny stays with bounds, and the settings of a private training that takes a second."""

from collections.abc import Callable

import numpy as np
import pytest

from model.compute import Compute
from model.data.stays import Stays
from model.private.opening import Task
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

CPU = Compute(device="cpu", precision="float32")
TINY = NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4)
SCHEMA = Schema(
    stay_id="stay",
    time="hour",
    sequence_length=6,
    variable_length=True,
    features=(
        NumericalFeature(name="heart_rate", min=0, max=300),
        NumericalFeature(name="spo2", min=0, max=100),
        CategoricalFeature(name="rhythm", categories=("sinus", "af", "paced")),
    ),
    labels=(Label(name="death", categories=("0", "1")), Label(name="sex", categories=("f", "m", "x"))),
)

N_BLOCKS = 2 + 1 + 2 + 1 + 1
"""Two histograms, the rhythm, two marks, the end of the stay, the labels."""
MakeTask = Callable[..., Task]


def made_up(n: int, *, seed: int = 0, n_patients: int | None = None) -> Stays:
    """Heart rates around 90 with a deviation of 15, saturations of 97; a quarter dies; some values are missing."""
    rng = np.random.default_rng(seed)
    numerical = np.stack([rng.normal(90, 15, (n, 6)), rng.normal(97, 1, (n, 6))], axis=2).astype(np.float32)
    numerical[rng.random((n, 6, 2)) < 0.3] = np.nan
    categorical = rng.choice([-1, 0, 1, 2], size=(n, 6, 1), p=[0.2, 0.5, 0.2, 0.1])
    labels = np.stack([np.arange(n) % 4 == 0, rng.integers(0, 2, n)], axis=1).astype(np.int64)
    patients = None if n_patients is None else np.sort(rng.integers(0, n_patients, n))
    stays = Stays(numerical, categorical, labels, patients, rng.integers(1, 7, n))
    return stays.ended()


@pytest.fixture
def make_task() -> MakeTask:
    """A task on made-up stays; arguments change its budget or its training."""

    def make(*, n: int = 200, epsilon: float = 8, stays: Stays | None = None, **training: object) -> Task:
        settings = {"max_steps": 6, "batch_size": 50, "privacy": {"epsilon": epsilon}} | training
        return Task(stays or made_up(n), SCHEMA, TINY, TrainingConfig.model_validate(settings), 3, CPU)

    return make
