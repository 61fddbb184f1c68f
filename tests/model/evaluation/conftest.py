"""A ward whose stays are drawn from a known distribution, so that two draws are as alike as real stays are."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation import detection, utility
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

LENGTH = 8


def draw(n: int, seed: int, *, shift: float = 0.0) -> Stays:
    """Two correlated vitals with inertia, a rhythm that rarely changes, a death rate of 30 % that raises both.

    The first vital is in tenths and missing in 20 % of the steps, the second in whole numbers and never missing.
    """
    rng = np.random.default_rng(seed)
    death = (rng.random(n) < 0.3).astype(np.int64)
    level = rng.normal(0, 1, (n, 1)) + death[:, None] + shift
    noise = np.cumsum(rng.normal(0, 0.4, (n, LENGTH)), axis=1)
    temperature = np.round(37 + 0.5 * (level + noise), 1)
    temperature[rng.random((n, LENGTH)) < 0.2] = np.nan
    rate = np.round(80 + 10 * (level + rng.normal(0, 0.5, (n, LENGTH))))
    changes = np.cumsum(rng.random((n, LENGTH)) < 0.15, axis=1)
    rhythm = (rng.integers(0, 3, (n, 1)) + changes) % 3
    sex = rng.integers(0, 2, n)
    numerical = np.stack([temperature, rate], axis=2).astype(np.float32)
    return Stays(numerical, rhythm[:, :, None].astype(np.int64), np.stack([death, sex], axis=1))


@pytest.fixture(scope="session")
def ward() -> Callable[..., Stays]:
    return draw


@pytest.fixture(scope="session")
def ward_schema() -> Schema:
    return Schema(
        stay_id="stay",
        time="hour",
        sequence_length=LENGTH,
        features=(
            NumericalFeature(name="temperature", unit="degC"),
            CategoricalFeature(name="rhythm", categories=("sinus", "af", "paced")),
            NumericalFeature(name="heart_rate", unit="/min"),
        ),
        labels=(Label(name="death", categories=("0", "1")), Label(name="sex", categories=("F", "M"))),
    )


@pytest.fixture(scope="session")
def ward_codec(ward_schema: Schema) -> Codec:
    return Codec.fit(draw(400, 0), ward_schema)


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Let networks learn for two epochs: enough where only what is around them is tested."""
    for module, name in ((detection, "MLP_BUDGET"), (detection, "LSTM_BUDGET"), (utility, "BUDGET")):
        patch.setattr(module, name, dataclasses.replace(getattr(module, name), max_epochs=2, steps=5))


@pytest.fixture
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.fixture(scope="module")
def short_training_in_module() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        yield
