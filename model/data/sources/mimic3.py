"""MIMIC-III v1.3 and v1.4: CHARTEVENTS, ICUSTAYS, ADMISSIONS and PATIENTS, as PhysioNet hands them out.

Johnson et al., "MIMIC-III, a freely accessible critical care database", Scientific Data 3:160035 (2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from model.data.sources.duck import Duck, Progress, csv_rows, open_duck
from model.data.sources.options import ADULT, Grid, Imported, ImportOptions, Resources
from model.data.sources.raw_files import RawFile, find_file, open_raw
from model.data.sources.table import bin_readings, check_ids, in_window, step_of, write_table
from model.data.sources.vitals_table import SIGNALS, Signal

GRID = Grid(step_minutes=60, n_steps=25)

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "ICUSTAYS": {"subject_id": "BIGINT", "hadm_id": "BIGINT", "icustay_id": "BIGINT", "intime": "TIMESTAMP"},
    "ADMISSIONS": {"hadm_id": "BIGINT", "hospital_expire_flag": "TINYINT"},
    "PATIENTS": {"subject_id": "BIGINT", "dob": "TIMESTAMP"},
    "CHARTEVENTS": {
        "icustay_id": "BIGINT",
        "itemid": "INTEGER",
        "charttime": "TIMESTAMP",
        "valuenum": "DOUBLE",
        "error": "INTEGER",
    },
}
KEYS = {"ICUSTAYS": "icustay_id", "ADMISSIONS": "hadm_id", "PATIENTS": "subject_id"}
OTHER_FILES = {
    "icustayevents": "ICUSTAYEVENTS belongs to an early release of MIMIC-III, or to MIMIC-II; v1.3 and v1.4 are read",
    "icustays_data_table": "names in _DATA_TABLE belong to an early release of MIMIC-III; v1.3 and v1.4 are read",
    "vitalperiodic": "vitalPeriodic belongs to eICU: cdmt import eicu",
}
OTHER_COLUMNS = {"stay_id": "'stay_id' belongs to MIMIC-IV; MIMIC-III v1.3 and v1.4 are read"}

SECONDS = "date_diff('second', intime, charttime)"
MINUTES = f"{SECONDS} / 60.0"


def import_mimic3(
    folder: Path,
    out: Path,
    *,
    min_age: int = ADULT,
    first_stay: bool = False,
    options: ImportOptions = ImportOptions(grid=GRID),  # noqa: B008  a frozen value
    resources: Resources = Resources(),  # noqa: B008
    progress: Progress,
) -> Imported:
    """Write the table of the ICU stays in `folder` to the Parquet file `out`.

    `patient_id` is SUBJECT_ID; `in_hospital_death` is HOSPITAL_EXPIRE_FLAG of the stay's own hospital admission.
    Stays of patients younger than `min_age` years at their admission to the ICU are left out (0: nobody is), and with
    `first_stay` all but the first of a patient. Raises DataError for files that are missing, damaged or of another
    version, and where no stay has a reading.
    """
    files = {name: open_raw(_find(folder, name), types, hint=OTHER_COLUMNS) for name, types in COLUMNS.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_duck(resources, beside=out.parent, progress=progress) as duck:
        _read_cohort(duck, files, min_age=min_age, first_stay=first_stay)
        events = files["CHARTEVENTS"]
        readings = _readings(events, options)
        bin_readings(duck, readings, SIGNALS["mimic3"], _reading, reads=events.name, options=options)
        return write_table(duck, out, SIGNALS["mimic3"], patients=True, options=options, progress=progress)


def _find(folder: Path, name: str) -> Path:
    return find_file(folder, f"{name}.csv", hint=OTHER_FILES)


def _read_cohort(duck: Duck, files: Mapping[str, RawFile], *, min_age: int, first_stay: bool) -> None:
    """Make `cohort`, with `intime`. Ages of patients over 89 are shifted to 300 years: adults all the same."""
    for name, key in KEYS.items():
        file, columns = files[name], ", ".join(COLUMNS[name])
        duck.run(f"CREATE TEMP TABLE {name} AS SELECT DISTINCT {columns} FROM {csv_rows(file)}", reads=file.name)
        check_ids(duck, file, key, table=name, key=key)
    age = "date_sub('year', dob, intime)"
    number = "row_number() OVER (PARTITION BY subject_id ORDER BY intime, icustay_id)"
    duck.run(f"""
        CREATE TEMP TABLE cohort AS
        SELECT icustay_id AS stay_id, subject_id AS patient_id, hospital_expire_flag AS died, intime,
            CASE WHEN intime IS NULL THEN 'without a time of admission'
                 WHEN coalesce(hospital_expire_flag, -1) NOT IN (0, 1) THEN 'without an outcome in ADMISSIONS'
                 WHEN {min_age} > 0 AND dob IS NULL THEN 'of unknown age'
                 WHEN {age} < {min_age} THEN 'younger than {min_age} years'
                 WHEN {first_stay} AND {number} > 1 THEN 'not the first of their patient' END AS reason
        FROM icustays LEFT JOIN admissions USING (hadm_id) LEFT JOIN patients USING (subject_id)
    """)


def _readings(events: RawFile, options: ImportOptions) -> str:
    """Readings of stays in the window, not flagged as errors; a row that is there several times counts once."""
    items = ", ".join(signal.key for signal in SIGNALS["mimic3"])
    return f"""
        SELECT DISTINCT stay_id, {step_of(MINUTES, options)} AS step, charttime, itemid, valuenum
        FROM {csv_rows(events)} JOIN (SELECT stay_id, intime FROM cohort WHERE reason IS NULL) ON icustay_id = stay_id
        WHERE itemid IN ({items}) AND valuenum IS NOT NULL AND error IS DISTINCT FROM 1
            AND {in_window(MINUTES, options)}
    """


def _reading(signal: Signal) -> str:
    return f"CASE WHEN itemid = {signal.key} THEN valuenum END"
