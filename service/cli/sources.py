"""`cdmt import`: the raw files of a public ICU data set become a table that `cdmt train` takes as it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.spec.errors import CDMTError
from service.cli.show import ProgressBars
from service.cli.show import out as stdout

if TYPE_CHECKING:
    from model.data.sources.options import Imported, ImportOptions, Resources

app = typer.Typer(
    no_args_is_help=True,
    help="Make a table of stays out of the raw files of MIMIC-III, eICU or the Challenge 2012.\n\n"
    "The files are read as they were downloaded (.csv or .csv.gz, upper or lower case) and stay where they are; they "
    "may be many times larger than the memory. docs/sources.md lists every signal, unit and bound.",
)

Out = Annotated[Path, typer.Option(dir_okay=False, help="Parquet file to write: one row per stay and time step.")]
Step = Annotated[int, typer.Option(min=1, max=1440, help="Length of a time step in minutes.")]
Steps = Annotated[int, typer.Option(min=2, max=2000, help="Time steps per stay, from the admission to the ICU.")]
MinAge = Annotated[int, typer.Option(min=0, max=120, help="Youngest age in years at admission; 0 keeps everybody.")]
Bounds = Annotated[
    bool, typer.Option("--bounds/--no-bounds", help="Leave out readings that no living or dying patient can have.")
]
KeepEmpty = Annotated[
    bool, typer.Option("--keep-empty/--drop-empty", help="Keep stays without any reading in the window, all missing.")
]
Memory = Annotated[int, typer.Option(min=256, help="MiB of memory for DuckDB; the process takes some hundred more.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads that read (default: all cores).")]
Temporary = Annotated[
    Path | None,
    typer.Option("--temp", file_okay=False, help="Folder for what the memory does not hold (default: --out's)."),
]


@app.command()
def mimic3(
    folder: Annotated[Path, typer.Argument(help="Folder with CHARTEVENTS, ICUSTAYS, ADMISSIONS and PATIENTS.")],
    *,
    out: Out,
    step: Step = 60,
    steps: Steps = 25,
    min_age: MinAge = 18,
    first_stay: Annotated[
        bool, typer.Option("--first-stay/--all-stays", help="Of each patient only the first stay in an ICU.")
    ] = False,
    bounds: Bounds = True,
    keep_empty: KeepEmpty = False,
    memory: Memory = 2048,
    threads: Threads = None,
    temporary: Temporary = None,
) -> None:
    """Import MIMIC-III v1.3 or v1.4: seven vitals, hourly means, in-hospital death."""
    _require(out)
    from model.data.sources.mimic3 import import_mimic3

    options = _options(step, steps, bounds=bounds, keep_empty=keep_empty)
    resources = _resources(memory, threads, temporary)
    with ProgressBars() as bars:
        imported = import_mimic3(
            folder, out, min_age=min_age, first_stay=first_stay, options=options, resources=resources, progress=bars
        )
    _tell(imported, out)


@app.command()
def eicu(
    folder: Annotated[Path, typer.Argument(help="Folder with vitalPeriodic and patient.")],
    *,
    out: Out,
    step: Step = 5,
    steps: Steps = 272,
    min_age: MinAge = 18,
    bounds: Bounds = True,
    keep_empty: KeepEmpty = False,
    memory: Memory = 2048,
    threads: Threads = None,
    temporary: Temporary = None,
) -> None:
    """EICU v2.0: four vitals every 5 minutes, in-hospital death. Hourly: --step 60 --steps 25."""
    _require(out)
    from model.data.sources.eicu import import_eicu

    options = _options(step, steps, bounds=bounds, keep_empty=keep_empty)
    resources = _resources(memory, threads, temporary)
    with ProgressBars() as bars:
        imported = import_eicu(folder, out, min_age=min_age, options=options, resources=resources, progress=bars)
    _tell(imported, out)


@app.command()
def challenge2012(
    folder: Annotated[Path, typer.Argument(help="Folder with set-a, set-b or set-c, and Outcomes-a.txt and so on.")],
    *,
    out: Out,
    step: Step = 60,
    steps: Steps = 25,
    bounds: Bounds = True,
    keep_empty: KeepEmpty = True,
    memory: Memory = 2048,
    threads: Threads = None,
    temporary: Temporary = None,
) -> None:
    """Import the PhysioNet Challenge 2012: seven vitals, hourly means, in-hospital death. All hours: --steps 48."""
    _require(out)
    from model.data.sources.challenge2012 import import_challenge2012

    options = _options(step, steps, bounds=bounds, keep_empty=keep_empty)
    resources = _resources(memory, threads, temporary)
    with ProgressBars() as bars:
        imported = import_challenge2012(folder, out, options=options, resources=resources, progress=bars)
    _tell(imported, out)


def _require(out: Path) -> None:
    if importlib.util.find_spec("duckdb") is None:
        raise CDMTError("this installation has no DuckDB, which reads raw files: pip install 'cdmt-ehr[sources]'")
    if out.suffix.lower() != ".parquet":
        raise CDMTError(f"{out} would hold Parquet: choose a name that ends in .parquet")


def _options(step: int, steps: int, *, bounds: bool, keep_empty: bool) -> ImportOptions:
    from model.data.sources.options import Grid, ImportOptions

    return ImportOptions(grid=Grid(step_minutes=step, n_steps=steps), bounded=bounds, keep_empty=keep_empty)


def _resources(memory: int, threads: int | None, temporary: Path | None) -> Resources:
    from model.data.sources.options import Resources

    return Resources(memory=memory, threads=threads, temporary=temporary)


def _tell(imported: Imported, out: Path) -> None:
    grid = imported.grid
    share = imported.n_deaths / imported.n_stays
    length = f"{grid.n_steps} steps of {grid.step_minutes} minutes"
    stdout.print(f"{imported.n_stays:,} stays of {length}; {imported.n_deaths:,} ({share:.1%}) ended in death.")
    for reason, count in imported.left_out.items():
        stdout.print(f"Left out: {count:,} {reason}.", markup=False)
    stdout.print(str(out), markup=False)
