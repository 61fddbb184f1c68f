"""A small table on disk, as the command gets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.reproduction.source import Source, read_source

N_STAYS, HOURS = 400, 6


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 stays: of those who die, one in three, the heart rate is 20 higher; a fifth of the values is missing."""
    rng = np.random.default_rng(0)
    stay = np.repeat(np.arange(N_STAYS), HOURS)
    death = (np.arange(N_STAYS) % 3 == 0).astype("int8")[stay]
    heart_rate = 80 + 20 * death + rng.normal(0, 5, len(stay))
    heart_rate[rng.random(len(stay)) < 0.2] = np.nan
    dbp = rng.normal(60, 3, len(stay))
    frame = pd.DataFrame(
        {
            "stay_id": stay,
            "hour": np.tile(np.arange(HOURS), N_STAYS),
            "heart_rate": heart_rate,
            "dbp": dbp,
            "map": dbp + np.where(rng.random(len(stay)) < 0.1, -30, 50),
            "in_hospital_death": death,
        }
    )
    path = tmp_path_factory.mktemp("table") / "stays.parquet"
    frame.to_parquet(path, index=False)
    return path


@pytest.fixture(scope="session")
def source(table: Path) -> Source:
    return read_source(table)
