from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from model.data.sources.eicu import import_eicu
from model.data.sources.options import Resources
from model.reproduction.simulation import (
    AUTOCORRELATION,
    MEAN_GAP,
    N_STEPS,
    VITALS,
    SimulatedVital,
    simulate_eicu,
)

N_STAYS = 600
COLUMNS = {"heartrate": "heart_rate", "respiration": "respiratory_rate", "sao2": "spo2", "systemicmean": "map"}

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the importer of eICU makes of the simulated files."""
    folder = tmp_path_factory.mktemp("simulation")
    simulate_eicu(folder / "raw", n_stays=N_STAYS, seed=0)
    out = folder / "table.parquet"
    import_eicu(folder / "raw", out, resources=Resources(memory=512, threads=1), progress=lambda *_: None)
    return pd.read_parquet(out)


def values(table: pd.DataFrame, vital: SimulatedVital) -> Floats:
    """(stays, steps); NaN = missing."""
    return table[COLUMNS[vital.column]].to_numpy(dtype=np.float64).reshape(N_STAYS, N_STEPS)


def died(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return np.asarray(table.groupby("stay_id").in_hospital_death.first() == 1, dtype=np.bool_)


def test_the_importer_finds_every_stay_and_the_deaths(table: pd.DataFrame) -> None:
    assert len(table) == N_STAYS * N_STEPS
    assert died(table).sum() == 72
    assert table.patient_id.nunique() == N_STAYS


@pytest.mark.parametrize("vital", VITALS)
def test_level_and_drift_are_those_that_were_planted(table: pd.DataFrame, vital: SimulatedVital) -> None:
    found, dead = values(table, vital), died(table)
    early, late = (pd.DataFrame(part).mean(axis=1).to_numpy() for part in (found[:, :24], found[:, -24:]))
    kept = ~np.isnan(early + late)
    rise = (late - early)[kept]
    covered = (N_STEPS - 24) / (N_STEPS - 1)  # of the drift, between the middles of the two windows
    spread = 5 * vital.within / np.sqrt(dead[kept].sum()) + 0.2
    assert rise[dead[kept]].mean() - rise[~dead[kept]].mean() == pytest.approx(vital.drift * covered, abs=spread)
    assert np.nanmean(found[~dead]) == pytest.approx(vital.mean, abs=4 * vital.between / np.sqrt(N_STAYS) + 0.2)


@pytest.mark.parametrize("vital", VITALS)
def test_values_are_missing_in_runs(table: pd.DataFrame, vital: SimulatedVital) -> None:
    missing = np.isnan(values(table, vital))
    assert missing.mean() == pytest.approx(vital.missing, abs=0.02)
    goes_on = missing[:, 1:][missing[:, :-1]].mean()
    assert goes_on == pytest.approx(1 - 1 / MEAN_GAP, abs=0.01)


def test_the_noise_is_slow(table: pd.DataFrame) -> None:
    found = values(table, VITALS[0])[~died(table)]
    step = np.nanmean(np.diff(found) ** 2)
    rounding = 2 / 12
    assert step == pytest.approx(2 * (1 - AUTOCORRELATION) * VITALS[0].within ** 2 + rounding, rel=0.05)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate_eicu(tmp_path / name, n_stays=30, seed=seed, n_steps=10)
    for file in ("patient.csv.gz", "vitalPeriodic.csv.gz"):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b
        assert a != c


def test_the_files_look_like_eicu_s_own(tmp_path: Path) -> None:
    simulate_eicu(tmp_path, n_stays=3, seed=0, n_steps=4)
    with gzip.open(tmp_path / "vitalPeriodic.csv.gz", "rt") as file:
        header, first = file.readline(), file.readline()
    assert header.startswith("vitalperiodicid,patientunitstayid,observationoffset,temperature,sao2,heartrate")
    assert "." not in first
    with gzip.open(tmp_path / "patient.csv.gz", "rt") as file:
        assert file.readline().endswith("unitdischargestatus,uniquepid\n")
        assert file.readline().rstrip().endswith('"002-141000"')
