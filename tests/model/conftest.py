"""A small table with a known signal, and a tiny model trained on it."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.spec.config import NetworkConfig
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

TINY = NetworkConfig(hidden_dim=16, n_layers=1, embedding_dim=4)
CPU = Compute(device="cpu", precision="float32")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads beside a busy neighbour are slower than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def toy_schema() -> Schema:
    return Schema(
        stay_id="stay",
        time="hour",
        sequence_length=6,
        features=(
            NumericalFeature(name="heart_rate"),
            CategoricalFeature(name="rhythm", categories=("sinus", "af", "paced")),
        ),
        labels=(Label(name="death", categories=("0", "1")),),
    )


@pytest.fixture(scope="session")
def toy_stays() -> Stays:
    """400 stays: death goes with a heart rate of 110 and af, life with 80 and sinus rhythm; 1 in 5 is missing."""
    generator = np.random.default_rng(0)
    death = (np.arange(400) % 4 == 0).astype(np.int64)
    level = np.where(death == 1, 110.0, 80.0)
    heart_rate = level[:, None] + generator.normal(0, 5, (400, 6))
    heart_rate[generator.random((400, 6)) < 0.2] = np.nan
    rhythm = np.where(generator.random((400, 6)) < 0.9, death[:, None], 2)
    return Stays(heart_rate[..., None].astype(np.float32), rhythm[..., None].astype(np.int64), death[:, None])


@pytest.fixture(scope="session")
def toy_codec(toy_stays: Stays, toy_schema: Schema) -> Codec:
    return Codec.fit(toy_stays, toy_schema)
