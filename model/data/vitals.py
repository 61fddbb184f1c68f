"""Known ICU measurements: the names that they go by, their units, and the bounds outside which a value is an error."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

OUTSIDE_ALLOWED = 0.05  # a larger share beyond the bounds means another unit or scale, not errors of measurement


class Range(NamedTuple):
    """A unit, the bounds of possible values in it, and where the median of ICU patients can lie.

    The median tells units apart: a temperature with median 98 is in degrees Fahrenheit.
    """

    unit: str
    low: float
    high: float
    median_low: float
    median_high: float


class Vital(NamedTuple):
    """A measurement, its names (lower case, letters and digits only) and its range in each unit it may come in."""

    name: str
    aliases: frozenset[str]
    ranges: tuple[Range, ...]


def spellings(text: str) -> tuple[str, ...]:
    """The words of `text`, as a list of names that fits on a few lines."""
    return tuple(text.split())


def _vital(name: str, aliases: str, *ranges: Range) -> Vital:
    return Vital(name, frozenset(spellings(aliases)), ranges)


# The bounds are generous: they take what a living or dying patient can show or a monitor can print, and leave out
# what only a loose probe or a typing error gives. A cardiac arrest is real (0 beats, 0 breaths, no pressure), so
# the lower bounds of the circulation are 0.
VITALS = (
    _vital(  # below 25 degC lies accidental hypothermia outside the ICU or a probe in the air; fever ends at about 43
        "temperature",
        "temperature temp bodytemperature bodytemp coretemperature coretemp",
        Range("degC", 25, 45, 30, 42),
        Range("degF", 75, 115, 86, 108),
    ),
    _vital(  # a flushed or blocked arterial line shows up to the 300 mmHg of its pressure bag
        "sbp",
        "sbp sysbp systolic systolicbp systolicbloodpressure sysabp nisysabp bpsys bpsystolic nbps abps nibps "
        "nibpsystolic systemicsystolic noninvasivesystolic arterialsystolic arterialbpsystolic",
        Range("mmHg", 0, 300, 50, 230),
    ),
    _vital(
        "dbp",
        "dbp diasbp diabp diastolic diastolicbp diastolicbloodpressure diasabp nidiasabp bpdia bpdiastolic nbpd abpd "
        "nibpd nibpdiastolic systemicdiastolic noninvasivediastolic arterialdiastolic arterialbpdiastolic",
        Range("mmHg", 0, 250, 20, 130),
    ),
    _vital(
        "map",
        "map mbp mabp meanbp meanabp nimap meanarterialpressure meanarterialbp meanbloodpressure abpm nbpm nibpm "
        "nibpmean systemicmean noninvasivemean arterialbpmean",
        Range("mmHg", 0, 300, 30, 160),
    ),
    _vital(  # atrial flutter conducted one to one reaches 300; monitors stop there
        "heart_rate",
        "heartrate hr pulse pulserate",
        Range("/min", 0, 300, 30, 200),
    ),
    _vital(
        "respiratory_rate",
        "respiratoryrate resprate rr resp respiration respirationrate respirations breathingrate",
        Range("/min", 0, 120, 5, 70),
    ),
    _vital(
        "spo2",
        "spo2 sao2 o2sat o2saturation oxygensaturation",
        Range("%", 0, 100, 60, 100),
        Range("fraction", 0, 1, 0.6, 1),
    ),
    _vital(  # hyperosmolar crises go beyond 1,000 mg/dL
        "glucose",
        "glucose bloodglucose bedsideglucose fingerstickglucose serumglucose",
        Range("mg/dL", 0, 2000, 35, 600),
        Range("mmol/L", 0, 110, 2, 33),
    ),
    _vital("gcs", "gcs gcstotal gcsscore glasgowcomascale glasgowcomascore", Range("points", 3, 15, 3, 15)),
    _vital("fio2", "fio2", Range("%", 10, 100, 20, 100), Range("fraction", 0.1, 1, 0.2, 1)),
    _vital("etco2", "etco2 endtidalco2", Range("mmHg", 0, 150, 10, 90)),
    _vital("ph", "ph arterialph", Range("pH", 6, 8.5, 6.8, 7.8)),  # survivors of pH 6.4 have been described
    _vital("lactate", "lactate lacticacid", Range("mmol/L", 0, 50, 0.3, 20)),
)

# Words that say how or in what unit a vital was taken, not which: heart_rate_mean, temp_c, sbp_mmhg.
QUALIFIERS = spellings(
    "mean avg average median last first min max value val hourly measured mmhg mm hg bpm c f celsius fahrenheit "
    "degc degf percent pct"
)


def words(name: str) -> tuple[str, ...]:
    """The words of a column's name in lower case: `HeartRate`, `heart_rate` and `Heart rate` are all two words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", spaced.lower()))


def find_vital(name: str) -> Vital | None:
    """The vital that a column called `name` holds, if the name is known."""
    whole = words(name)
    bare = tuple(word for word in whole if word not in QUALIFIERS)
    for spelling in ("".join(whole), "".join(bare)):
        for vital in VITALS:
            if spelling in vital.aliases:
                return vital
    return None


def find_range(vital: Vital, values: npt.NDArray[np.float64]) -> Range | None:
    """The range whose unit the observed `values` are in; None if they fit no unit, or there are none."""
    observed = values[np.isfinite(values)]
    if len(observed) == 0:
        return None
    median = float(np.median(observed))
    for candidate in vital.ranges:
        outside = float(((observed < candidate.low) | (observed > candidate.high)).mean())
        if candidate.median_low <= median <= candidate.median_high and outside <= OUTSIDE_ALLOWED:
            return candidate
    return None
