"""eICU Collaborative Research Database v2.0: vitalPeriodic and patient, as PhysioNet hands them out.

Pollard et al., "The eICU Collaborative Research Database, a freely available multi-center database for critical care
research", Scientific Data 5:180178 (2018).
"""

from __future__ import annotations

from pathlib import Path

from model.data.sources.duck import Duck, Progress, csv_rows, open_duck
from model.data.sources.options import ADULT, Grid, Imported, ImportOptions, Resources
from model.data.sources.raw_files import RawFile, find_file, open_raw
from model.data.sources.table import bin_readings, check_ids, in_window, step_of, write_table
from model.data.sources.vitals_table import SIGNALS, Signal

GRID = Grid(step_minutes=5, n_steps=272)

PATIENT = {
    "patientunitstayid": "BIGINT",
    "uniquepid": "VARCHAR",
    "age": "VARCHAR",
    "hospitaldischargestatus": "VARCHAR",
}
VITALS = {
    "patientunitstayid": "BIGINT",
    "observationoffset": "INTEGER",
    **{signal.key: "DOUBLE" for signal in SIGNALS["eicu"]},
}
OTHER_FILES = {"chartevents": "CHARTEVENTS belongs to MIMIC: cdmt import mimic3"}


def import_eicu(
    folder: Path,
    out: Path,
    *,
    min_age: int = ADULT,
    options: ImportOptions = ImportOptions(grid=GRID),  # noqa: B008  a frozen value
    resources: Resources = Resources(),  # noqa: B008
    progress: Progress,
) -> Imported:
    """Write the table of the unit stays in `folder` to the Parquet file `out`.

    `patient_id` is uniquepid; `in_hospital_death` is 1 where hospitaldischargestatus is Expired, 0 where it is Alive;
    stays where it is neither are left out, and those of patients younger than `min_age` years or of unknown age (0:
    neither is). Raises DataError for files that are missing or damaged, and where no stay has a reading.
    """
    patient = open_raw(find_file(folder, "patient.csv", hint=OTHER_FILES), PATIENT, hint={})
    vitals = open_raw(find_file(folder, "vitalPeriodic.csv", hint=OTHER_FILES), VITALS, hint={})
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_duck(resources, beside=out.parent, progress=progress) as duck:
        _read_cohort(duck, patient, min_age=min_age)
        readings = _readings(vitals, options)
        bin_readings(duck, readings, SIGNALS["eicu"], _reading, reads=vitals.name, options=options)
        return write_table(duck, out, SIGNALS["eicu"], patients=True, options=options, progress=progress)


def _read_cohort(duck: Duck, patient: RawFile, *, min_age: int) -> None:
    """Make `cohort`. Ages are text, since those over 89 are `> 89`."""
    status, age = "lower(trim(hospitaldischargestatus))", "TRY_CAST(ltrim(age, '> ') AS INTEGER)"
    duck.run(
        f"""
        CREATE TEMP TABLE cohort AS
        SELECT DISTINCT patientunitstayid AS stay_id, uniquepid AS patient_id,
            CASE {status} WHEN 'expired' THEN 1 WHEN 'alive' THEN 0 END AS died,
            CASE WHEN died IS NULL THEN 'without a hospital discharge status'
                 WHEN {min_age} > 0 AND {age} IS NULL THEN 'of unknown age'
                 WHEN {age} < {min_age} THEN 'younger than {min_age} years' END AS reason
        FROM {csv_rows(patient)}
        """,
        reads=patient.name,
    )
    check_ids(duck, patient, "patientunitstayid")


def _readings(vitals: RawFile, options: ImportOptions) -> str:
    """Rows of stays in the window; one that is there several times counts once."""
    columns = ", ".join(signal.key for signal in SIGNALS["eicu"])
    return f"""
        SELECT DISTINCT stay_id, {step_of("observationoffset", options)} AS step, observationoffset, {columns}
        FROM {csv_rows(vitals)} JOIN (SELECT stay_id FROM cohort WHERE reason IS NULL) ON patientunitstayid = stay_id
        WHERE {in_window("observationoffset", options)}
    """


def _reading(signal: Signal) -> str:
    return signal.key
