"""PhysioNet/Computing in Cardiology Challenge 2012: a text file per stay in set-a to set-c, and Outcomes-a.txt, ...

Silva et al., "Predicting in-hospital mortality of ICU patients: the PhysioNet/Computing in Cardiology Challenge 2012",
Computing in Cardiology 39:245-248 (2012). Every stay is another patient's, so there is no patient id.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.data.sources.duck import Duck, Progress, csv_rows, open_duck, read_csv, wrong_value
from model.data.sources.options import Grid, Imported, ImportOptions, Resources
from model.data.sources.raw_files import RawFile, find_file, find_folder, open_raw
from model.data.sources.table import bin_readings, check_ids, in_window, step_of, write_table
from model.data.sources.vitals_table import SIGNALS, Signal
from model.spec.errors import DataError

GRID = Grid(step_minutes=60, n_steps=25)

SETS = ("a", "b", "c")
RECORD = {"time": "VARCHAR", "parameter": "VARCHAR", "value": "DOUBLE"}
OUTCOMES = {"recordid": "BIGINT", "in-hospital_death": "TINYINT"}
MINUTES = rf"""
    CASE WHEN regexp_full_match(time, '\d{{1,4}}:\d\d')
        THEN CAST(split_part(time, ':', 1) AS INTEGER) * 60 + CAST(split_part(time, ':', 2) AS INTEGER)
        ELSE error({wrong_value("time")}) END
"""


@dataclass(frozen=True)
class _Set:
    """One set of records: their files, and that of their outcomes."""

    name: str
    records: tuple[Path, ...]
    outcomes: RawFile


def import_challenge2012(
    folder: Path,
    out: Path,
    *,
    options: ImportOptions = ImportOptions(grid=GRID, keep_empty=True),  # noqa: B008  a frozen value
    resources: Resources = Resources(),  # noqa: B008
    progress: Progress,
) -> Imported:
    """Write the table of the records in `folder`, of the sets a, b and c that are there, to the Parquet file `out`.

    Values that are not above 0 are missing (-1 is the source's code for it). Raises DataError for files that are
    missing or damaged, and where no stay has a reading.
    """
    sets = [_open_set(path, folder) for path in _find_sets(folder)]
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_duck(resources, beside=out.parent, progress=progress) as duck:
        duck.run("CREATE TEMP TABLE cohort (stay_id BIGINT, died TINYINT, reason VARCHAR)")
        for records in sets:
            _read_outcomes(duck, records)
        names = ", ".join(records.name for records in sets)
        readings = _readings([path for records in sets for path in records.records], options)
        bin_readings(duck, readings, SIGNALS["challenge2012"], _reading, reads=names, options=options)
        return write_table(duck, out, SIGNALS["challenge2012"], patients=False, options=options, progress=progress)


def _find_sets(folder: Path) -> list[Path]:
    there = sorted(path for path in find_folder(folder).iterdir() if path.name.lower() in {f"set-{s}" for s in SETS})
    if not any(path.is_dir() for path in there):
        packed = any(path.name.lower().startswith("set-") for path in folder.iterdir())
        advice = "; unpack the archives first" if packed else ""
        raise DataError(f"{folder}: none of the folders set-a, set-b and set-c is there{advice}")
    return [path for path in there if path.is_dir()]


def _open_set(path: Path, folder: Path) -> _Set:
    records = tuple(sorted(file for file in path.glob("*.txt") if file.stem.isdecimal()))
    if not records:
        raise DataError(f"{path.name}: no file of a record, such as 132539.txt, is there")
    for record in records:
        if open_raw(record, RECORD, hint={}).header != tuple(RECORD):
            raise DataError(f"{record.name}: its first line is not Time,Parameter,Value")
    outcomes = find_file(folder, f"Outcomes-{path.name.lower()[-1]}.txt", hint={})
    return _Set(path.name, records, open_raw(outcomes, OUTCOMES, hint={}))


def _read_outcomes(duck: Duck, records: _Set) -> None:
    ids = ", ".join(str(int(record.stem)) for record in records.records)
    died = '"in-hospital_death"'
    duck.run(
        f"""
        INSERT INTO cohort
        SELECT coalesce(recordid, id), {died},
            CASE WHEN id IS NULL THEN 'without a file in {records.name.lower()}'
                 WHEN {died} IS NULL OR {died} NOT IN (0, 1) THEN 'without an outcome' END
        FROM (SELECT DISTINCT recordid, {died} FROM {csv_rows(records.outcomes)})
        FULL JOIN (SELECT unnest([{ids}]) AS id) ON recordid = id
        """,
        reads=records.outcomes.name,
    )
    check_ids(duck, records.outcomes, "recordid")


def _readings(records: list[Path], options: ImportOptions) -> str:
    parameters = ", ".join(f"'{signal.key}'" for signal in SIGNALS["challenge2012"])
    stay = r"CAST(regexp_extract(filename, '(\d+)\.txt$', 1, 'i') AS BIGINT)"
    rows = f"SELECT {stay} AS record, {MINUTES} AS minutes, parameter, value FROM {read_csv(records, RECORD)}"
    return f"""
        SELECT stay_id, {step_of("minutes", options)} AS step, parameter, value
        FROM ({rows} WHERE parameter IN ({parameters}) AND value > 0)
        JOIN (SELECT stay_id FROM cohort WHERE reason IS NULL) ON record = stay_id
        WHERE {in_window("minutes", options)}
    """


def _reading(signal: Signal) -> str:
    return f"CASE WHEN parameter = '{signal.key}' THEN value END"
