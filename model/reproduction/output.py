"""What a reproduction leaves: README.md with the tables, results.json with every figure, and plots. No row of data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from model.files import write_bytes
from model.reproduction.definitions import Table
from model.reproduction.figures import plot
from model.reproduction.machine import Machine
from model.reproduction.plan import Plan
from model.reproduction.records import RunRecord
from model.reproduction.tables import MadeTable, Results, made, markdown
from model.reproduction.targets import Judged, judged, targets_markdown
from model.spec.base import Spec

ATTRIBUTION = (
    "Where the data are those of *Predicting Mortality of ICU Patients: The PhysioNet/Computing in Cardiology "
    "Challenge 2012* (v1.0.0; Silva I, Moody G, Mark R, Celi LA; "
    "https://physionet.org/content/challenge-2012/1.0.0/), they are made available under the "
    "Open Data Commons Attribution License v1.0 "
    "(https://opendatacommons.org/licenses/by/1-0/). They are neither MIMIC-III nor eICU, and the figures are not "
    "comparable with the paper's own."
)
QUICK = (
    "**This is a quick reproduction**: one seed, short trainings, small cohorts. It shows that everything runs, and "
    "the order of the figures; differences of a few hundredths of an AUC are noise."
)


class Provenance(Spec):
    """How the results came about. `seconds` is the wall time of the last call: what an earlier one did is not in it."""

    command: str
    data: str
    data_sha256: str
    n_training: int
    n_holdout: int
    plan: Plan
    device: str
    processes: int
    machine: Machine
    seconds: float
    made_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class ResultsFile(Spec):
    """The content of results.json."""

    quick: bool
    provenance: Provenance
    tables: tuple[MadeTable, ...]
    targets: tuple[Judged, ...]
    runs: tuple[RunRecord, ...]


def write_results(out: Path, tables: tuple[Table, ...], results: Results, provenance: Provenance) -> ResultsFile:
    """Write README.md and results.json into the folder `out`, each in one step."""
    content = ResultsFile(
        quick=provenance.plan.quick,
        provenance=provenance,
        tables=tuple(made(table, results) for table in tables),
        targets=judged(results),
        runs=tuple(record for records in results.records.values() for record in records),
    )
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / "results.json", content.model_dump_json(indent=1).encode())
    plots = {str(table.name): _plots(table, one) for table, one in zip(tables, content.tables, strict=True)}
    for path, drawing in (item for drawn in plots.values() for item in drawn.items()):
        (out / path).parent.mkdir(exist_ok=True)
        write_bytes(out / path, drawing.encode())
    write_bytes(out / "README.md", readme(content, tables, plots).encode())
    return content


def _plots(table: Table, made_table: MadeTable) -> dict[str, str]:
    """Path under the output folder -> SVG."""
    drawn = {
        f"figures/{table.name}-{column.figure}.svg": plot(made_table, column)
        for column in table.columns
        if column.figure in table.plots
    }
    return {path: drawing for path, drawing in drawn.items() if drawing is not None}


def readme(content: ResultsFile, tables: tuple[Table, ...], plots: Mapping[str, Iterable[str]]) -> str:
    """The page that people read first; `plots` has the paths of each table's."""
    title = "# Quick reproduction" if content.quick else "# Reproduction"
    by_name = {table.name: table for table in content.tables}
    parts = [
        f"{title} of the tables of arXiv:2603.23719",
        QUICK if content.quick else "",
        _origin(content.provenance),
        *(_section(table, by_name[table.name], plots.get(table.name, ())) for table in tables),
        f"## Targets\n\n{targets_markdown(content.targets)}",
        f"## Data\n\n{ATTRIBUTION}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(table: Table, content: MadeTable, plots: Iterable[str]) -> str:
    images = " ".join(f"![{table.name}]({path})" for path in plots)
    return "\n\n".join(part for part in (markdown(content, table.columns), images) if part)


def _origin(made_by: Provenance) -> str:
    machine, plan = made_by.machine, made_by.plan
    limit = (
        "as long as its arm says" if plan.minutes is None else f"{plan.minutes:g} minutes or as long as its arm says"
    )
    packages = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
    seeds = "1 seed" if plan.seeds == 1 else f"{plan.seeds} seeds"
    facts = {
        "Command": f"`{made_by.command}`",
        "Data": f"`{made_by.data}` (SHA-256 {made_by.data_sha256})",
        "Stays": f"{made_by.n_training:,} to train on, {made_by.n_holdout:,} held out",
        "Effort": f"{seeds}; a training takes {limit}; {plan.n_stays or made_by.n_training:,} synthetic stays per arm",
        "Machine": f"{machine.processor}, {machine.cores} cores, GPU: {machine.gpu or 'none'}; {machine.system}",
        "Processes": f"{made_by.processes} of one thread each, on `{made_by.device}`",
        "Versions": f"Python {machine.python}, {packages}",
        "Made": f"{made_by.made_at:%Y-%m-%d %H:%M} UTC; the last call took {made_by.seconds / 60:.1f} minutes",
    }
    return "\n".join(f"- {name}: {words}" for name, words in facts.items())
