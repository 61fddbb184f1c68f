"""The one table of where each vital comes from, in which unit, and which readings of it count.

The ITEMIDs of MIMIC-III are those of `concepts/firstday/vitals_first_day.sql` in MIT-LCP/mimic-code (MIT licence):
below 220000 CareVue, from there on MetaVision. Units and bounds of the output are those of `model.data.vitals`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from model.data.vitals import VITALS, Range

SourceName = Literal["mimic3", "eicu", "challenge2012"]


class Signal(NamedTuple):
    """One of a source's own signals: `key` is its ITEMID, column or Parameter there.

    `rank`: where a step has readings of several ranks, those of the lowest alone are averaged.
    """

    vital: str
    key: str
    label: str
    unit: str
    rank: int = 0


SIGNALS: dict[SourceName, tuple[Signal, ...]] = {
    "mimic3": (
        Signal("temperature", "676", "Temperature C", "degC"),
        Signal("temperature", "678", "Temperature F", "degF"),
        Signal("temperature", "223762", "Temperature Celsius", "degC"),
        Signal("temperature", "223761", "Temperature Fahrenheit", "degF"),
        Signal("sbp", "51", "Arterial BP [Systolic]", "mmHg"),
        Signal("sbp", "442", "Manual BP [Systolic]", "mmHg"),
        Signal("sbp", "455", "NBP [Systolic]", "mmHg"),
        Signal("sbp", "6701", "Arterial BP #2 [Systolic]", "mmHg"),
        Signal("sbp", "220050", "Arterial Blood Pressure systolic", "mmHg"),
        Signal("sbp", "220179", "Non Invasive Blood Pressure systolic", "mmHg"),
        Signal("dbp", "8368", "Arterial BP [Diastolic]", "mmHg"),
        Signal("dbp", "8440", "Manual BP [Diastolic]", "mmHg"),
        Signal("dbp", "8441", "NBP [Diastolic]", "mmHg"),
        Signal("dbp", "8555", "Arterial BP #2 [Diastolic]", "mmHg"),
        Signal("dbp", "220051", "Arterial Blood Pressure diastolic", "mmHg"),
        Signal("dbp", "220180", "Non Invasive Blood Pressure diastolic", "mmHg"),
        Signal("map", "52", "Arterial BP Mean", "mmHg"),
        Signal("map", "443", "Manual BP Mean(calc)", "mmHg"),
        Signal("map", "456", "NBP Mean", "mmHg"),
        Signal("map", "6702", "Arterial BP Mean #2", "mmHg"),
        Signal("map", "220052", "Arterial Blood Pressure mean", "mmHg"),
        Signal("map", "220181", "Non Invasive Blood Pressure mean", "mmHg"),
        Signal("map", "225312", "ART BP mean", "mmHg"),
        Signal("heart_rate", "211", "Heart Rate", "/min"),
        Signal("heart_rate", "220045", "Heart Rate", "/min"),
        Signal("respiratory_rate", "615", "Resp Rate (Total)", "/min"),
        Signal("respiratory_rate", "618", "Respiratory Rate", "/min"),
        Signal("respiratory_rate", "220210", "Respiratory Rate", "/min"),
        Signal("respiratory_rate", "224690", "Respiratory Rate (Total)", "/min"),
        Signal("spo2", "646", "SpO2", "%"),
        Signal("spo2", "220277", "O2 saturation pulseoxymetry", "%"),
    ),
    "eicu": (
        Signal("heart_rate", "heartrate", "heart rate", "/min"),
        Signal("respiratory_rate", "respiration", "respiratory rate", "/min"),
        Signal("spo2", "sao2", "oxygen saturation", "%"),
        Signal("map", "systemicmean", "arterial blood pressure, mean", "mmHg"),
    ),
    "challenge2012": (
        Signal("temperature", "Temp", "temperature", "degC"),
        Signal("sbp", "SysABP", "invasive systolic arterial blood pressure", "mmHg"),
        Signal("sbp", "NISysABP", "non-invasive systolic arterial blood pressure", "mmHg", rank=1),
        Signal("dbp", "DiasABP", "invasive diastolic arterial blood pressure", "mmHg"),
        Signal("dbp", "NIDiasABP", "non-invasive diastolic arterial blood pressure", "mmHg", rank=1),
        Signal("map", "MAP", "invasive mean arterial blood pressure", "mmHg"),
        Signal("map", "NIMAP", "non-invasive mean arterial blood pressure", "mmHg", rank=1),
        Signal("heart_rate", "HR", "heart rate", "/min"),
        Signal("respiratory_rate", "RespRate", "respiratory rate", "/min"),
        Signal("spo2", "SaO2", "oxygen saturation of haemoglobin", "%"),
    ),
}

TO_OUTPUT = {"degF": "({} - 32) / 1.8"}
"""SQL that takes a reading from this unit to that of the output; other units are the output's own."""


def output_range(vital: str) -> Range:
    """Unit and bounds of a vital in the output: the first range of `model.data.vitals`."""
    return next(known.ranges[0] for known in VITALS if known.name == vital)


def vitals(signals: tuple[Signal, ...]) -> tuple[str, ...]:
    """The vitals, in the order of the table."""
    return tuple(dict.fromkeys(signal.vital for signal in signals))


def mean_columns(signals: tuple[Signal, ...], reading: Callable[[Signal], str], *, bounded: bool) -> list[str]:
    """One SQL column per vital: the mean of the readings in a group, NULL where there is none.

    `reading` gives the SQL of a signal's reading in a row, NULL where the row has none.
    """
    columns = []
    for vital in vitals(signals):
        own = [signal for signal in signals if signal.vital == vital]
        ranks = sorted({signal.rank for signal in own})
        means = [_mean([s for s in own if s.rank == rank], reading, bounded=bounded) for rank in ranks]
        columns.append(f"CAST(coalesce({', '.join(means)}) AS FLOAT) AS {vital}")
    return columns


def _mean(signals: list[Signal], reading: Callable[[Signal], str], *, bounded: bool) -> str:
    valid = (_valid(signal, reading(signal), bounded=bounded) for signal in signals)
    return f"avg(coalesce({', '.join(valid)}))"


def _valid(signal: Signal, reading: str, *, bounded: bool) -> str:
    value = TO_OUTPUT.get(signal.unit, "{}").format(f"({reading})")
    known = output_range(signal.vital)
    condition = f"{value} BETWEEN {known.low} AND {known.high}" if bounded else f"isfinite({value})"
    return f"CASE WHEN {condition} THEN {value} END"
