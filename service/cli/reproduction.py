"""The command that computes the paper's tables anew."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli import online
from service.cli.offline import require_worker
from service.cli.online import Device
from service.cli.show import ProgressBars, notice
from service.cli.show import out as stdout

MAX_GPU_PROCESSES = 4


def reproduce(
    *,
    data: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Parquet or CSV, one row per stay and time step.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the tables (default: docs/results, docs/results/quick if quick).")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder for trainings and runs: what is there is not done again.")] = Path(
        "var/reproduce"
    ),
    tables: Annotated[
        str | None, typer.Option(help="Which: numbers of the paper and names, as in `2-4,7,ablation` (default: all).")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="30 minutes on two cores: one seed, short trainings, small cohorts.")
    ] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs of each arm (default: 5, 1 if quick).")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Longest duration of a training.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Most optimiser steps of a training.")] = None,
    stays: Annotated[
        int | None, typer.Option(min=100, help="Synthetic stays per arm (default: as many as there are to train on).")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of one thread each (default: as many as cores, 4 on a GPU).")
    ] = None,
    device: Device = None,
) -> None:
    """Compute the tables of the CDMT-EHR paper anew on a table of real stays.

    Trains every arm, draws cohorts, measures them, and writes README.md and results.json. When the command is given
    again, it goes on from where it was interrupted. An arm that fails is told in its tables; the status is then 1.
    """
    require_worker()
    from model.compute import Compute
    from model.reproduction.definitions import parse_names, tables_named
    from model.reproduction.plan import make_plan
    from model.reproduction.reproduce import Places, reproduce

    chosen = online.settings(device=device)
    compute = Compute(device=chosen.device, precision=chosen.precision, engine=chosen.engine)
    plan = make_plan(quick=quick, seeds=seeds, minutes=minutes, steps=steps, n_stays=stays)
    folder = out or Path("docs/results/quick" if quick else "docs/results")
    with ProgressBars() as bars:
        content = reproduce(
            Places(data, folder, work),
            tables_named(parse_names(tables, quick=quick)),
            plan=plan,
            compute=compute,
            processes=processes or _processes(compute.torch_device().type),
            command=shlex.join(["cdmt", *sys.argv[1:]]),
            progress=bars,
            notice=notice,
        )
    stdout.print(str(folder / "README.md"), markup=False)
    failed = [f"{run.arm}, seed {run.seed}: {run.reason}" for run in content.runs if run.status == "failed"]
    for line in failed:
        notice(f"failed: {line}")
    if failed:
        raise typer.Exit(1)


def _processes(device: str) -> int:
    cores = len(os.sched_getaffinity(0))
    return min(cores, MAX_GPU_PROCESSES) if device == "cuda" else cores
