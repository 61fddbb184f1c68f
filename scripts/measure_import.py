"""Measure `cdmt import`: write made-up raw files with many rows, import them, and print memory and throughput.

    .venv/bin/python scripts/measure_import.py mimic3 --rows 20000000 --memory 1024

Of MIMIC-III's rows a third are vitals in the window of their stay, of eICU's all are, so that many readings have to be
held. The memory is the peak of the importing process (resident set); the processor's time tells the throughput also
where the machine is busy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

N_STAYS = 61_532  # as many as MIMIC-III has
IMPORT = """
import resource, sys
from pathlib import Path
from model.data.sources.{source} import import_{source}
from model.data.sources.options import Resources

folder = Path(sys.argv[1])
given = Resources(memory=int(sys.argv[2]), threads=int(sys.argv[3]))
done = import_{source}(folder, folder / "out.parquet", resources=given, progress=lambda *_: None)
used = resource.getrusage(resource.RUSAGE_SELF)
print(done.n_stays, used.ru_maxrss // 1024, used.ru_utime + used.ru_stime)
"""
STAYS = """
    SELECT i AS "ROW_ID", i AS "SUBJECT_ID", 100000 + i AS "HADM_ID", 200000 + i AS "ICUSTAY_ID",
        TIMESTAMP '2101-10-20 19:08:00' + to_hours(CAST(i AS INTEGER)) AS "INTIME"
    FROM range({stays}) t(i)
"""
ADMISSIONS = (
    'SELECT 100000 + i AS "HADM_ID", CAST(i % 9 = 0 AS TINYINT) AS "HOSPITAL_EXPIRE_FLAG" FROM range({stays}) t(i)'
)
PATIENTS = 'SELECT i AS "SUBJECT_ID", TIMESTAMP \'2040-01-01 00:00:00\' AS "DOB" FROM range({stays}) t(i)'
EVENTS = """
    SELECT i AS "ROW_ID", stay AS "SUBJECT_ID", 100000 + stay AS "HADM_ID", 200000 + stay AS "ICUSTAY_ID",
        CASE WHEN i % 3 = 0 THEN [211, 455, 8441, 456, 618, 678, 646][1 + (i // 3) % 7] ELSE 221000 + i % 900 END
            AS "ITEMID",
        TIMESTAMP '2101-10-20 19:08:00' + to_hours(CAST(stay AS INTEGER)) + to_minutes(CAST(hash(i) % 1500 AS INTEGER))
            AS "CHARTTIME",
        "CHARTTIME" AS "STORETIME", 20868 AS "CGID", CAST(value AS VARCHAR) AS "VALUE",
        value AS "VALUENUM", 'bpm' AS "VALUEUOM", 0 AS "WARNING", 0 AS "ERROR",
        NULL AS "RESULTSTATUS", NULL AS "STOPPED"
    FROM (
        SELECT i, 60 + hash(i + 7) % 40 AS value, CAST(hash(i + 3) % {stays} AS BIGINT) AS stay FROM range({rows}) t(i)
    )
"""
PATIENT = """
    SELECT i AS patientunitstayid, '002-' || i AS uniquepid, '70' AS age,
        CASE WHEN i % 9 = 0 THEN 'Expired' ELSE 'Alive' END AS hospitaldischargestatus
    FROM range({rows} // 272) t(i)
"""
VITALS = """
    SELECT i AS vitalperiodicid, i // 272 AS patientunitstayid, i % 272 * 5 AS observationoffset, NULL AS temperature,
        90 + hash(i) % 10 AS sao2, 60 + hash(i + 1) % 60 AS heartrate, 10 + hash(i + 2) % 20 AS respiration,
        NULL AS cvp, NULL AS etco2, NULL AS systemicsystolic, NULL AS systemicdiastolic,
        60 + hash(i + 3) % 40 AS systemicmean, NULL AS st1, NULL AS st2, NULL AS st3, NULL AS icp
    FROM range({rows}) t(i)
"""
TABLES = {
    "mimic3": {"ICUSTAYS": STAYS, "ADMISSIONS": ADMISSIONS, "PATIENTS": PATIENTS, "CHARTEVENTS": EVENTS},
    "eicu": {"patient": PATIENT, "vitalPeriodic": VITALS},
}
LARGE = {"CHARTEVENTS", "vitalPeriodic"}


def main() -> None:
    """Write, import, tell."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("source", choices=list(TABLES))
    asked.add_argument("--rows", type=int, default=20_000_000)
    asked.add_argument("--memory", type=int, default=2048, help="MiB that DuckDB may use")
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--packed", action="store_true", help="write the large file as .csv.gz")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="cdmt-measure-") as name:
        size = write(Path(name), given.source, n_rows=given.rows, packed=given.packed)
        code = IMPORT.format(source=given.source)
        command = [sys.executable, "-c", code, name, str(given.memory), str(given.threads)]
        start = time.perf_counter()
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds = time.perf_counter() - start
    print(f"{given.rows:,} rows ({size / 1e9:.2f} GB{', gzip' if given.packed else ''}), {told[0]} stays")
    print(f"{seconds:.1f} s; {float(told[2]):.1f} s of the processor: {given.rows / float(told[2]):,.0f} rows a second")
    print(f"peak {told[1]} MiB; DuckDB was given {given.memory} MiB and {given.threads} threads", flush=True)


def write(folder: Path, source: str, *, n_rows: int, packed: bool) -> int:
    """Raw files with the columns that are read, and all those of the large one; the bytes of the large one."""
    size = 0
    for table, query in TABLES[source].items():
        path = folder / f"{table}.csv{'.gz' if packed and table in LARGE else ''}"
        rows = query.format(stays=N_STAYS, rows=n_rows)
        duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT csv, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S')")
        size = max(size, path.stat().st_size)
    return size


if __name__ == "__main__":
    main()
