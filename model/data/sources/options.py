"""What a reader of raw files is asked for, and what it says of the table that it wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from model.spec.base import Spec
from model.spec.schema import MAX_SEQUENCE_LENGTH

MINUTES_PER_HOUR = 60
ADULT = 18


class Grid(Spec):
    """The time steps of every stay, from its admission to the ICU: `n_steps` of `step_minutes` each."""

    step_minutes: int = Field(60, ge=1, le=24 * MINUTES_PER_HOUR)
    n_steps: int = Field(25, ge=2, le=MAX_SEQUENCE_LENGTH)

    @property
    def in_hours(self) -> bool:
        """Whether the time column counts hours (`hour`), because a step is some whole hours; else minutes."""
        return self.step_minutes % MINUTES_PER_HOUR == 0

    @property
    def time_column(self) -> str:
        """`hour` or `minute`."""
        return "hour" if self.in_hours else "minute"

    @property
    def time_per_step(self) -> int:
        """By how much the time column grows from one step to the next."""
        return self.step_minutes // MINUTES_PER_HOUR if self.in_hours else self.step_minutes


class ImportOptions(Spec):
    """Which stays and which readings become part of the table.

    `bounded`: readings outside the bounds of `model.data.vitals` are errors of measurement and left out.
    `keep_empty`: stays without a single reading in the window are kept, all missing.
    """

    grid: Grid = Grid()
    bounded: bool = True
    keep_empty: bool = False


class Resources(Spec):
    """What the reading may use. Memory in MiB; `temporary` is the folder for what does not fit (default: the output's).

    `memory` bounds what DuckDB holds on to; the process needs some hundred MiB more.
    """

    memory: int = Field(2048, ge=256)
    threads: int | None = Field(None, ge=1)
    temporary: Path | None = None


@dataclass(frozen=True)
class Imported:
    """The stays of a table that was written, how many of them ended in death, and stays left out, by reason."""

    n_stays: int
    n_deaths: int
    grid: Grid
    left_out: dict[str, int] = field(default_factory=dict)
