"""Writes the simulated ward of docs/clinical-types.md: a table of stays, and the schema that describes it.

    python scripts/simulate_ward.py ward.parquet ward.json

No patient is in it. Stays last for 4 to 24 hours, those that end in death for less long. Age band, sex, unit and weight
are constant in a stay; ventilation is mostly on at first and is never resumed; lactate is missing in 95 % of the hours.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

HOURS = 24
AGES = ("<50", "50-64", "65-79", "80+")
UNITS = ("medical", "surgical", "cardiac")

SCHEMA = Schema(
    stay_id="stay_id",
    time="hour",
    sequence_length=HOURS,
    variable_length=True,
    features=(
        CategoricalFeature(name="age_band", categories=AGES, static=True),
        CategoricalFeature(name="sex", categories=("F", "M"), static=True),
        CategoricalFeature(name="unit", categories=UNITS, static=True),
        NumericalFeature(name="weight", unit="kg", min=30, max=250, static=True),
        NumericalFeature(name="heart_rate", unit="/min", min=0, max=300),
        CategoricalFeature(name="ventilated", categories=("no", "yes")),
        NumericalFeature(name="lactate", unit="mmol/L", min=0, max=50),
    ),
    labels=(Label(name="died", categories=("no", "yes")),),
)


def simulate(n_stays: int, seed: int) -> pd.DataFrame:
    """A table of `n_stays` stays, one row per stay and hour; weight is unknown in one stay of ten."""
    rng = np.random.default_rng(seed)
    age, sex, unit = (rng.choice(k, n_stays, p=p) for k, p in ((4, [0.2, 0.25, 0.35, 0.2]), (2, None), (3, None)))
    died = rng.random(n_stays) < np.array([0.1, 0.15, 0.25, 0.4])[age]
    weight = np.round(np.where(sex == 1, 84, 70) + rng.normal(0, 12, n_stays))
    weight[rng.random(n_stays) < 0.1] = np.nan
    lengths = np.where(died, rng.integers(4, 15, n_stays), rng.integers(10, HOURS + 1, n_stays))
    extubated = np.where(rng.random(n_stays) < np.array([0.4, 0.8, 0.6])[unit], rng.integers(2, HOURS, n_stays), 0)
    stay, hour = np.repeat(np.arange(n_stays), lengths), np.concatenate([np.arange(length) for length in lengths])
    level = rng.normal(85, 10, n_stays) + 15 * died
    lactate = np.round(np.exp(rng.normal(0.6 + 0.8 * died[stay], 0.4)), 1)
    return pd.DataFrame(
        {
            "stay_id": stay.astype("int32"),
            "hour": hour.astype("int16"),
            "age_band": np.array(AGES)[age][stay],
            "sex": np.array(["F", "M"])[sex][stay],
            "unit": np.array(UNITS)[unit][stay],
            "weight": weight[stay].astype("float32"),
            "heart_rate": np.round(level[stay] + rng.normal(0, 5, len(stay))).astype("float32"),
            "ventilated": np.where(hour < extubated[stay], "yes", "no"),
            "lactate": np.where(rng.random(len(stay)) < 0.05, lactate, np.nan).astype("float32"),
            "died": np.where(died, "yes", "no")[stay],
        }
    )


if __name__ == "__main__":
    simulate(3_000, seed=0).to_parquet(Path(sys.argv[1]), index=False)
    Path(sys.argv[2]).write_text(SCHEMA.model_dump_json(indent=1, exclude_none=True) + "\n")
