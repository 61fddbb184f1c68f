"""Tables from records: mean and standard deviation over seeds. What failed or was not run says so in its row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Literal

from model.reproduction.arms import Arm
from model.reproduction.definitions import Column, Table
from model.reproduction.records import Measured, RunRecord
from model.spec.base import Spec

REAL_TITLES = {False: "real stays put aside", True: "real stays put aside, equal labels"}
NOTHING = "-"


class Cell(Spec):
    """Mean over seeds, standard deviation where there are several, and how many seeds have the figure."""

    mean: float | None
    sd: float | None
    n: int


class Row(Spec):
    """One arm, or the real stays; `problem` says what failed or is lacking, and why."""

    title: str
    arm: str | None = None
    seeds: int
    problem: str | None = None
    cells: dict[str, Cell]


class MadeTable(Spec):
    """A table with its rows, as it is written."""

    name: str
    title: str
    text: str
    columns: dict[str, str]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Results:
    """The records of all jobs of this reproduction, by arm; an arm with fewer than `seeds` was not run in full."""

    arms: Mapping[str, Arm]
    records: Mapping[str, Sequence[RunRecord]]
    seeds: int

    def good(self, arm: str) -> list[RunRecord]:
        """The records with figures."""
        return [record for record in self.records.get(arm, ()) if record.status == "ok"]

    def cell(self, arm: str, figure: str, *, side: Literal["value", "real"] = "value") -> Cell:
        """One figure of an arm over its seeds; `real`: what the real stays score in the same runs."""
        return summary(getattr(record.figures.get(figure, Measured()), side) for record in self.good(arm))


def summary(values: Iterable[float | None]) -> Cell:
    """Mean and standard deviation (n - 1) of those that are there."""
    known = [value for value in values if value is not None]
    return Cell(
        mean=mean(known) if known else None,
        sd=stdev(known) if len(known) > 1 else None,
        n=len(known),
    )


def made(table: Table, results: Results) -> MadeTable:
    """The rows of real stays, then every arm of the table, also one that has no figures."""
    rows = [*_real_rows(table, results), *(_row(arm, table, results) for arm in table.arms)]
    return MadeTable(
        name=table.name,
        title=table.title,
        text=table.text,
        columns={column.figure: column.heading for column in table.columns},
        rows=tuple(rows),
    )


def _real_rows(table: Table, results: Results) -> list[Row]:
    """Each figure from the first arm that was compared with them: all runs of a seed see the same real stays."""
    rows = []
    for equal, title in REAL_TITLES.items():
        alike = [key for key in table.arms if (results.arms[key].labels == "bal") is equal and results.good(key)]
        if alike:
            cells = {column.figure: _real_cell(column.figure, alike, results) for column in table.columns}
            rows.append(Row(title=title, seeds=len(results.good(alike[0])), cells=cells))
    return rows


def _real_cell(figure: str, arms: Sequence[str], results: Results) -> Cell:
    cells = [results.cell(arm, figure, side="real") for arm in arms]
    return next((cell for cell in cells if cell.n), cells[0])


def _row(key: str, table: Table, results: Results) -> Row:
    good = results.good(key)
    return Row(
        title=results.arms[key].title,
        arm=key,
        seeds=len(good),
        problem="; ".join(_problems(key, table, results)) or None,
        cells={column.figure: results.cell(key, column.figure) for column in table.columns},
    )


def _problems(key: str, table: Table, results: Results) -> list[str]:
    records = results.records.get(key, ())
    failed = [record for record in records if record.status == "failed"]
    found = [f"seed {record.seed} failed: {record.reason}" for record in failed]
    lacking = results.seeds - len(records)
    if lacking > 0:
        found.append(f"not run for {lacking} of {results.seeds} seeds")
    return found + _reasons(table, results.good(key))


def _reasons(table: Table, good: Sequence[RunRecord]) -> list[str]:
    """Why figures are not there: each reason once, with the figures that it is about."""
    why: dict[str, list[str]] = {}
    for column in table.columns:
        reasons = {record.figures.get(column.figure, Measured()).reason for record in good}
        for reason in sorted(reason for reason in reasons if reason):
            why.setdefault(reason, []).append(column.heading)
    return [f"no {', '.join(headings)}: {reason}" for reason, headings in why.items()]


def markdown(table: MadeTable, columns: Sequence[Column]) -> str:
    """The table as GitHub writes tables, problems below it."""
    heads = ["", "seeds", *(column.heading for column in columns)]
    lines = [_line(heads), _line(["---", *("---:" for _ in heads[1:])])]
    for row in table.rows:
        cells = [told(row.cells[column.figure], column.digits) for column in columns]
        lines.append(_line([row.title, str(row.seeds), *cells]))
    problems = [f"- **{row.title}**: {row.problem}" for row in table.rows if row.problem]
    parts = [f"## {heading(table)}", table.text, "\n".join(lines), "\n".join(problems)]
    return "\n\n".join(part for part in parts if part)


def heading(table: MadeTable) -> str:
    """`Table 2. Utility`; a table that the paper has not has no number."""
    return f"Table {table.name}. {table.title}" if table.name.isdigit() else table.title


def told(cell: Cell, digits: int) -> str:
    """`0.751 ± 0.004`, or a dash."""
    if cell.mean is None:
        return NOTHING
    spread = "" if cell.sd is None else f" ± {cell.sd:.{digits}f}"
    return f"{cell.mean:.{digits}f}{spread}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
