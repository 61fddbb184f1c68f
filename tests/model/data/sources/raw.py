"""Raw files as their sources hand them out: header, quoting and time stamps as in the originals, made-up content."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

Rows = Sequence[Mapping[str, object]]

MIMIC_COLUMNS = {
    "ICUSTAYS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID DBSOURCE FIRST_CAREUNIT LAST_CAREUNIT FIRST_WARDID LAST_WARDID "
    "INTIME OUTTIME LOS",
    "ADMISSIONS": "ROW_ID SUBJECT_ID HADM_ID ADMITTIME DISCHTIME DEATHTIME ADMISSION_TYPE ADMISSION_LOCATION "
    "DISCHARGE_LOCATION INSURANCE LANGUAGE RELIGION MARITAL_STATUS ETHNICITY EDREGTIME EDOUTTIME DIAGNOSIS "
    "HOSPITAL_EXPIRE_FLAG HAS_CHARTEVENTS_DATA",
    "PATIENTS": "ROW_ID SUBJECT_ID GENDER DOB DOD DOD_HOSP DOD_SSN EXPIRE_FLAG",
    "CHARTEVENTS": "ROW_ID SUBJECT_ID HADM_ID ICUSTAY_ID ITEMID CHARTTIME STORETIME CGID VALUE VALUENUM VALUEUOM "
    "WARNING ERROR RESULTSTATUS STOPPED",
}
MIMIC_TEXT = "DBSOURCE FIRST_CAREUNIT LAST_CAREUNIT ADMISSION_TYPE DIAGNOSIS GENDER VALUE VALUEUOM RESULTSTATUS STOPPED"
EICU_COLUMNS = {
    "patient": "patientunitstayid patienthealthsystemstayid gender age ethnicity hospitalid wardid apacheadmissiondx "
    "admissionheight hospitaladmittime24 hospitaladmitoffset hospitaladmitsource hospitaldischargeyear "
    "hospitaldischargetime24 hospitaldischargeoffset hospitaldischargelocation hospitaldischargestatus unittype "
    "unitadmittime24 unitadmitsource unitvisitnumber unitstaytype admissionweight dischargeweight unitdischargetime24 "
    "unitdischargeoffset unitdischargelocation unitdischargestatus uniquepid",
    "vitalPeriodic": "vitalperiodicid patientunitstayid observationoffset temperature sao2 heartrate respiration cvp "
    "etco2 systemicsystolic systemicdiastolic systemicmean pasystolic padiastolic pamean st1 st2 st3 icp",
}
EICU_TEXT = "gender age ethnicity apacheadmissiondx hospitaldischargestatus unitdischargestatus uniquepid"


def table(columns: str, rows: Rows, *, text: str, quote_header: bool) -> str:
    """A CSV table: text in quotes, a quote in it doubled; empty fields bare; a row's absent columns empty."""
    names = columns.split()
    header = ",".join(f'"{name}"' if quote_header else name for name in names)
    lines = [",".join(_field(row.get(name), quote=name in text.split()) for name in names) for row in rows]
    return "\n".join([header, *lines]) + "\n"


def _field(value: object, *, quote: bool) -> str:
    if value is None:
        return ""
    return '"' + str(value).replace('"', '""') + '"' if quote else str(value)


def write(folder: Path, name: str, content: str, *, packed: bool = True) -> Path:
    """`<name>.gz` or `<name>` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode(), mtime=0) if packed else content.encode())
    return path


def mimic(folder: Path, tables: Mapping[str, Rows], *, packed: bool = True, lower: bool = False) -> Path:
    """A folder of MIMIC-III files. `lower`: names and headers in lower case and without quotes, as in the demo."""
    for name, rows in tables.items():
        content = table(MIMIC_COLUMNS[name], rows, text=MIMIC_TEXT, quote_header=not lower)
        header, rest = content.split("\n", 1)
        header = header.lower() if lower else header
        write(folder, f"{name.lower() if lower else name}.csv", f"{header}\n{rest}", packed=packed)
    return folder


def eicu(folder: Path, *, patient: Rows, vitals: Rows, packed: bool = True) -> Path:
    """A folder of eICU files."""
    for name, rows in (("patient", patient), ("vitalPeriodic", vitals)):
        content = table(EICU_COLUMNS[name], rows, text=EICU_TEXT, quote_header=False)
        write(folder, f"{name}.csv", content, packed=packed)
    return folder


def record(rows: Sequence[tuple[str, str, object]]) -> str:
    """The text file of a stay of the Challenge 2012: general descriptors at 00:00, then (time, parameter, value)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([("Time", "Parameter", "Value"), ("00:00", "Age", 54), ("00:00", "Gender", 0), *rows])
    return buffer.getvalue()


def cell(frame: pd.DataFrame, stay: int, time: int, vital: str, *, clock: str = "hour") -> float:
    """One value of a table."""
    return float(frame.loc[(frame.stay_id == stay) & (frame[clock] == time), vital].item())


def silent(_step: str, _value: int, _max: int) -> None:
    """A progress that nobody watches."""


def vital_rows(stays: Sequence[int], items: Mapping[int, float], *, times: Sequence[str]) -> list[dict[str, object]]:
    """CHARTEVENTS: every item of every stay at every time."""
    return [
        {"ICUSTAY_ID": stay, "ITEMID": item, "CHARTTIME": time, "VALUE": value, "VALUENUM": value, "ERROR": 0}
        for stay in stays
        for time in times
        for item, value in items.items()
    ]
