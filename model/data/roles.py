"""What a column's name says about its role: key, time, outcome or identifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from model.data.columns import is_number, parse_numbers
from model.data.times import holds_stamps
from model.data.vitals import spellings, words
from model.spec.binning import TimeUnit
from model.spec.errors import DataError

# The words of a name run together, in the order in which they are preferred.
STAY_NAMES = spellings(
    "stayid icustayid patientunitstayid icuid admissionid encounterid encounter visitid visitoccurrenceid episodeid "
    "caseid hadmid recordid stay icustay admission visit episode case record seriesid sampleid id"
)
PATIENT_NAMES = spellings("patientid subjectid uniquepid personid pid ptid patientnumber patient subject person mrn")
TIME_NAMES = spellings(
    "hour hours time step timestep steps icuhour hoursin hourin hoursinicu hourssinceadmission icuhours iculos "
    "charthour relativetime timehours hr offset observationoffset minute minutes timeoffset chartoffset t day days"
)
TIME_WORDS = spellings("hour hours time timestep step offset minute minutes charttime")
STAMP_WORDS = spellings("timestamp datetime date ts at")  # times if they hold time stamps
UNIT_WORDS: tuple[tuple[TimeUnit, tuple[str, ...]], ...] = (
    ("s", spellings("second seconds sec secs")),
    ("min", spellings("minute minutes min mins")),
    ("h", spellings("hour hours hr hrs h")),
    ("d", spellings("day days")),
)
OUTCOMES = spellings(
    "death died dead mort mortality expired expire deceased survived survival survivor readmission readmitted sepsis"
)
LAST_WORDS = spellings("outcome label target")  # outcomes if they end a name: `icu_outcome`, but not `target_flow`
AMBIGUOUS_TIMES = spellings("hr t")  # a heart rate or a temperature, unless it counts from 0 or 1
TIME_VARYING = spellings("sepsis septic shock aki arrest")  # an outcome that may begin during the stay
IDENTIFIER_WORDS = spellings("id ids identifier mrn uuid guid")
OTHER_IDENTIFIERS = spellings("hospitalid wardid patienthealthsystemstayid rowid index")
ADVICE = "; give a schema that names it"


class Keys(NamedTuple):
    """The names of the key columns."""

    stay_id: str
    time: str
    patient_id: str | None


def find_keys(frame: pd.DataFrame) -> Keys:
    """The columns that hold the stay, the time and the patient; DataError where there is no stay id or no time.

    A patient's id is taken as the stay's where there is no other: each patient then has one stay.
    """
    stays = _named(frame, STAY_NAMES)
    patients = _named(frame, PATIENT_NAMES)
    # The number of a row is no stay: a stay's id repeats.
    repeating = [name for name in [*stays, *patients] if frame[name].nunique() < len(frame)]
    candidates = repeating or [*stays, *patients]
    if not candidates:
        raise DataError(f"no column's name looks like that of a stay's id{ADVICE}")
    stay_id = candidates[0]
    patient_id = next((name for name in patients if name != stay_id and stay_id not in patients), None)
    return Keys(stay_id, _find_time(frame, stay_id), patient_id)


def _named(frame: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    spelled = {"".join(words(str(column))): str(column) for column in reversed(frame.columns)}
    return [spelled[name] for name in names if name in spelled]


def _find_time(frame: pd.DataFrame, stay_id: str) -> str:
    named = _named(frame, TIME_NAMES)
    ambiguous = [name for name in named if "".join(words(name)) in AMBIGUOUS_TIMES]
    certain = [name for name in named if name not in ambiguous]
    columns = [str(name) for name in frame.columns]
    similar = [name for name in columns if set(TIME_WORDS) & set(words(name)) and name not in named]
    weak = [name for name in [*ambiguous, *similar] if not any(is_number(frame[other]) for other in certain)]
    for name in [*certain, *weak]:
        if _counts_steps(frame, name, stay_id) and (name not in ambiguous or frame[name].min() in (0, 1)):
            return name
    candidates = list(dict.fromkeys([*certain, *similar, *_named_like_stamps(frame)]))
    if not candidates:
        raise DataError(f"no column's name looks like that of a time{ADVICE}")
    # None counts steps: the one that repeats least within stays can best be binned.
    numbers = [name for name in candidates if is_number(frame[name])]
    stamps = [name for name in candidates if holds_stamps(frame[name])]
    usable = list(dict.fromkeys([*filter(time_unit, numbers), *stamps, *numbers])) or candidates
    return min(usable, key=lambda name: int(frame.duplicated([stay_id, name]).sum())) if len(usable) > 1 else usable[0]


def _named_like_stamps(frame: pd.DataFrame) -> list[str]:
    columns = [str(name) for name in frame.columns]
    named = [n for n in columns if set(STAMP_WORDS) & set(words(n)) or "".join(words(n)).endswith(("time", "date"))]
    return [name for name in named if holds_stamps(frame[name])]


def _counts_steps(frame: pd.DataFrame, name: str, stay_id: str) -> bool:
    """Whether the column holds whole numbers, never missing, never the same twice in a stay."""
    if name == stay_id or not is_number(frame[name]):
        return False
    values, _ = parse_numbers(frame[name])
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        return False
    return not frame.duplicated([stay_id, name]).any()


def time_unit(name: str) -> TimeUnit | None:
    """The unit that the name of a column of times says it is in; an offset is in minutes, as in eICU."""
    own = words(name)
    for unit, spelled in UNIT_WORDS:
        if set(spelled) & set(own) or any(word in "".join(own) for word in spelled if len(word) > 3):
            return unit
    return "min" if "".join(own).endswith("offset") else None


def is_outcome(name: str) -> bool:
    """Whether the name is that of an outcome, such as `in_hospital_death` or `SepsisLabel`."""
    own = words(name)
    if not own:
        return False
    inside = any(word in "".join(own) for word in ("mortality", "death", "readmission"))
    return inside or own[-1] in LAST_WORDS or bool(set(OUTCOMES) & set(own))


def varies_in_time(name: str) -> bool:
    """Whether an outcome of this name may change within a stay without being wrong."""
    return bool(set(TIME_VARYING) & set(words(name)))


def is_identifier(name: str) -> bool:
    """Whether the column identifies something: it is never a feature, since it would give patients away."""
    spelled = "".join(words(name))
    known = spelled in OTHER_IDENTIFIERS or (spelled.endswith("id") and spelled in {*STAY_NAMES, *PATIENT_NAMES})
    return known or (len(words(name)) > 0 and words(name)[-1] in IDENTIFIER_WORDS)


def holds_ids(name: str) -> bool:
    """Whether the column's values may be identifiers: also those of a `stay` or a `patient`."""
    return is_identifier(name) or "".join(words(name)) in {*STAY_NAMES, *PATIENT_NAMES}
