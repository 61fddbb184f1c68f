"""A small table of made-up stays, of every kind of column, for tests that need a dataset or a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from model.spec.config import NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

LENGTH = 6
SCHEMA = Schema(
    stay_id="stay",
    time="hour",
    sequence_length=LENGTH,
    features=(
        NumericalFeature(name="heart_rate", unit="/min", min=0, max=300),
        NumericalFeature(name="temp", unit="C", min=25, max=45),
        CategoricalFeature(name="ventilated", categories=("no", "yes")),
    ),
    labels=(Label(name="death", categories=("0", "1")), Label(name="sex", categories=("F", "M"))),
)
TINY_NETWORK = NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4)
TINY_TRAINING = TrainingConfig(max_steps=20, batch_size=32)
FAST_SAMPLER = SamplerConfig(n_steps=2)


def made_up_stays(n_stays: int = 120, *, seed: int = 0) -> pd.DataFrame:
    """`n_stays` x LENGTH rows: a quarter die, half are women, a third of the temperatures is missing."""
    rng = np.random.default_rng(seed)
    death = (np.arange(n_stays) % 4 == 0).astype(int)
    sex = np.where(np.arange(n_stays) % 2 == 0, "F", "M")
    n = n_stays * LENGTH
    temp = 37 + rng.normal(size=n)
    temp[rng.random(n) < 1 / 3] = np.nan
    return pd.DataFrame(
        {
            "stay": np.repeat(np.arange(1000, 1000 + n_stays), LENGTH),
            "hour": np.tile(np.arange(LENGTH), n_stays),
            "heart_rate": 80 + 20 * np.repeat(death, LENGTH) + 5 * rng.normal(size=n),
            "temp": temp,
            "ventilated": np.where(rng.random(n) < 0.3, "yes", "no"),
            "death": np.repeat(death, LENGTH),
            "sex": np.repeat(sex, LENGTH),
        }
    )


def write_table(path: Path, n_stays: int = 120) -> Path:
    """The made-up stays as a Parquet file."""
    made_up_stays(n_stays).to_parquet(path, index=False)
    return path
