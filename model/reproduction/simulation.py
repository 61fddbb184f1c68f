"""Simulated stays as raw files of eICU: a long window with a label whose effect is known, for anyone to have.

Nothing in them comes from a patient. Every vital of a stay is

    mean + level of the stay + circadian wave + AR(1) noise + drift * (step / last step) if the stay ends in death,

in whole numbers, cut to `bounds`, with runs of missing values. The files have the columns and the format of eICU's
own, so that `model.data.sources.eicu` reads both.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.data.vitals import spellings

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

N_STEPS = 272
STEP_MINUTES = 5
DAY_MINUTES = 1440
DEATH_RATE = 0.12
AUTOCORRELATION = 0.97
"""Of the noise, from one step to the next: it forgets a reading within some two hours."""
MEAN_GAP = 12
"""Steps of a run of missing values, on average."""
CHUNK = 1000
FIRST_STAY = 141_000

PATIENT_COLUMNS = spellings(
    "patientunitstayid patienthealthsystemstayid gender age ethnicity hospitalid wardid apacheadmissiondx "
    "admissionheight hospitaladmittime24 hospitaladmitoffset hospitaladmitsource hospitaldischargeyear "
    "hospitaldischargetime24 hospitaldischargeoffset hospitaldischargelocation hospitaldischargestatus unittype "
    "unitadmittime24 unitadmitsource unitvisitnumber unitstaytype admissionweight dischargeweight unitdischargetime24 "
    "unitdischargeoffset unitdischargelocation unitdischargestatus uniquepid"
)
VITAL_COLUMNS = spellings(
    "vitalperiodicid patientunitstayid observationoffset temperature sao2 heartrate respiration cvp etco2 "
    "systemicsystolic systemicdiastolic systemicmean pasystolic padiastolic pamean st1 st2 st3 icp"
)


class SimulatedVital(NamedTuple):
    """A column of vitalPeriodic. `between` and `within`: standard deviations of the stays' levels and of the noise."""

    column: str
    mean: float
    between: float
    within: float
    wave: float
    drift: float
    missing: float
    bounds: tuple[float, float]


VITALS = (
    SimulatedVital("heartrate", 84, 12, 7, wave=4, drift=18, missing=0.10, bounds=(20, 220)),
    SimulatedVital("respiration", 19, 3, 3, wave=1, drift=0, missing=0.15, bounds=(4, 60)),
    SimulatedVital("sao2", 95, 1.5, 1, wave=0, drift=0, missing=0.12, bounds=(60, 100)),
    SimulatedVital("systemicmean", 80, 9, 6, wave=3, drift=-14, missing=0.40, bounds=(20, 180)),
)


def simulate_eicu(folder: Path, *, n_stays: int, seed: int, n_steps: int = N_STEPS) -> None:
    """Write patient.csv.gz and vitalPeriodic.csv.gz of `n_stays` stays; the same arguments give the same bytes.

    `DEATH_RATE` of the stays, rounded to a whole stay, end in death. Every stay is another patient's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    died = generator.permutation(n_stays) < round(DEATH_RATE * n_stays)
    with _packed(folder / "patient.csv.gz") as file:
        _write(file, _patients(died, generator), header=True)
    with _packed(folder / "vitalPeriodic.csv.gz") as file:
        for start in range(0, n_stays, CHUNK):
            chunk = _vitals(died[start : start + CHUNK], FIRST_STAY + start, n_steps=n_steps, generator=generator)
            _write(file, chunk, header=start == 0)


def _patients(died: Bools, generator: np.random.Generator) -> pd.DataFrame:
    n_stays = len(died)
    age = generator.integers(18, 95, n_stays)
    known = {
        "patientunitstayid": FIRST_STAY + np.arange(n_stays),
        "patienthealthsystemstayid": 2 * FIRST_STAY + np.arange(n_stays),
        "gender": generator.choice(["Female", "Male"], n_stays),
        "age": np.where(age > 89, "> 89", age.astype(str)),
        "hospitaldischargestatus": np.where(died, "Expired", "Alive"),
        "unitvisitnumber": np.ones(n_stays, dtype=np.int64),
        "uniquepid": [f"002-{FIRST_STAY + i}" for i in range(n_stays)],
    }
    return pd.DataFrame(known, columns=PATIENT_COLUMNS)


def _vitals(died: Bools, first_stay: int, *, n_steps: int, generator: np.random.Generator) -> pd.DataFrame:
    """Rows of vitalPeriodic; a step without any vital has none."""
    n_stays = len(died)
    phase = generator.random((n_stays, 1))  # of the day, at the admission
    late = generator.integers(0, STEP_MINUTES, (n_stays, 1))  # minutes after the step begins: the monitor's own clock
    values = {vital.column: _values(vital, died, phase, n_steps, generator) for vital in VITALS}
    rows = {
        "patientunitstayid": np.repeat(first_stay + np.arange(n_stays), n_steps),
        "observationoffset": (late + STEP_MINUTES * np.arange(n_steps)).ravel(),
        **values,
    }
    frame = pd.DataFrame(rows, columns=VITAL_COLUMNS)
    frame["vitalperiodicid"] = first_stay * n_steps + np.arange(len(frame))
    return frame.dropna(how="all", subset=list(values))


def _values(
    vital: SimulatedVital, died: Bools, phase: Floats, n_steps: int, generator: np.random.Generator
) -> pd.arrays.IntegerArray:
    """One whole number per stay and step, or none."""
    n_stays, step = len(died), np.arange(n_steps)
    wave = vital.wave * np.sin(2 * np.pi * (phase + step * STEP_MINUTES / DAY_MINUTES))
    drift = vital.drift * died[:, None] * (step / (n_steps - 1))
    level = vital.between * generator.standard_normal((n_stays, 1))
    values = vital.mean + level + wave + drift + vital.within * _noise(n_stays, n_steps, generator)
    whole = np.rint(np.clip(values, *vital.bounds)).astype(np.int64)
    return pd.arrays.IntegerArray(whole.ravel(), _gaps(vital.missing, n_stays, n_steps, generator).ravel())


def _noise(n_stays: int, n_steps: int, generator: np.random.Generator) -> Floats:
    """(n_stays, n_steps) AR(1) of mean 0 and variance 1 at every step."""
    shocks = generator.standard_normal((n_stays, n_steps))
    noise = np.empty_like(shocks)
    noise[:, 0] = shocks[:, 0]
    for step in range(1, n_steps):
        noise[:, step] = AUTOCORRELATION * noise[:, step - 1] + np.sqrt(1 - AUTOCORRELATION**2) * shocks[:, step]
    return noise


def _gaps(share: float, n_stays: int, n_steps: int, generator: np.random.Generator) -> Bools:
    """(n_stays, n_steps) True = missing: a Markov chain whose gaps last `MEAN_GAP` steps and take up `share`."""
    ends = 1 / MEAN_GAP
    begins = ends * share / (1 - share)
    chance = generator.random((n_stays, n_steps))
    missing = np.empty((n_stays, n_steps), dtype=np.bool_)
    missing[:, 0] = chance[:, 0] < share
    for step in range(1, n_steps):
        missing[:, step] = np.where(missing[:, step - 1], chance[:, step] >= ends, chance[:, step] < begins)
    return missing


@contextmanager
def _packed(path: Path) -> Iterator[IO[str]]:
    """A text file in gzip without the name and time that would make two runs differ."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        yield text


def _write(file: IO[str], frame: pd.DataFrame, *, header: bool) -> None:
    """Rows as eICU writes them: text in quotes, the header without."""
    if header:
        file.write(",".join(frame.columns) + "\n")
    frame.to_csv(file, index=False, header=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
