"""How rows at any time become rows at whole steps: the schema's rule for tables that count no steps themselves."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model.spec.base import Spec

TimeUnit = Literal["s", "min", "h", "d"]
Aggregate = Literal["mean", "last", "min", "max"]
Origin = Literal["first", "zero"]

SECONDS: dict[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
LONGEST_STEP = 366 * SECONDS["d"]


def duration_seconds(text: str) -> int:
    """The seconds of a duration such as `90s`, `5min`, `1.5h` or `1d`; ValueError if it is none, or no step."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|h|d)", text, flags=re.ASCII)
    if match is None:
        raise ValueError(f"'{text}' is not a duration such as '90s', '5min', '1h' or '1d'")
    seconds = Fraction(match[1]) * SECONDS[match[2]]
    if seconds.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of seconds")
    if not 0 < seconds <= LONGEST_STEP:
        raise ValueError(f"a step is longer than nothing and at most 366d, but not '{text}'")
    return int(seconds)


def _duration(text: str) -> str:
    duration_seconds(text)
    return text


class Binning(Spec):
    """All rows of a stay whose time lies in one step become one row; without it, `time` must count whole steps.

    Step `k` holds the times from `k * step` on, and before `(k + 1) * step`, after the origin. Missing values count
    for nothing: a feature is missing in a step only if it is in all rows of the step. Categorical features take
    their last value.
    """

    step: Annotated[str, Field(max_length=32), AfterValidator(_duration)] = Field(
        description="length of a step, in s, min, h or d", examples=["1h", "5min"]
    )
    time_unit: TimeUnit | None = Field(None, description="of a time column of numbers; none for time stamps")
    aggregate: Aggregate = Field("mean", description="of numerical features that name no other")
    origin: Origin | None = Field(
        None,
        description="where step 0 begins: `first`, at the first row of each stay (time stamps: always); `zero`, at "
        "time 0 of a column of numbers (their default), and rows before it are dropped",
    )

    @property
    def step_seconds(self) -> int:
        """Length of a step in seconds."""
        return duration_seconds(self.step)
