"""The command that measures what this machine makes of the model."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.bundled import BUNDLED
from service.cli import online
from service.cli.offline import require_worker
from service.cli.online import Device
from service.cli.show import err, notice
from service.cli.show import out as stdout
from service.contracts.storage import RECORD

if TYPE_CHECKING:
    from model.bench.records import Bench
    from model.bench.subjects import Product
    from model.compute import Compute


def bench(
    *,
    json: Annotated[Path | None, typer.Option(help="JSON file for the figures.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less work and three runs.")] = False,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs of each contestant (default: 5, 3 if quick).")] = None,
    only: Annotated[
        Literal["generation", "training", "around"] | None,
        typer.Option(help="Measure this group of contestants alone (default: all)."),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Expectations; status 1 if a ratio is below them.")
    ] = None,
    history: Annotated[Path | None, typer.Option(dir_okay=False, help="File to add a line to.")] = None,
    scaling: Annotated[
        Path | None, typer.Option(help="Measure how cost grows in place of the rest, and draw it into this SVG file.")
    ] = None,
    device: Device = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of torch on a CPU (default: CDMT_THREADS, or half of the cores).")
    ] = None,
) -> None:
    """Measure how fast this machine draws, trains, writes and reports with the bundled model.

    Beside it runs a denoiser of TimeDiff's size; contestants take turns, so that ratios hold on a busy machine, too.
    """
    require_worker()
    from model.bench.plan import make_plan
    from model.bench.run import GROUPS, run_bench
    from model.bench.table import table

    compute = _compute(device, threads)
    if scaling is not None:
        _scaling(scaling, compute, runs=runs or 5)
        return
    plan = make_plan(device=compute.torch_device().type, quick=quick, runs=runs)
    found = run_bench(_product(), plan, compute, groups=(only,) if only else GROUPS, notice=notice)
    stdout.print(table(found), markup=False)
    _keep(found, json=json, history=history)
    if check is not None:
        _check(found, check)


def _compute(device: Literal["auto", "cpu", "cuda"] | None, threads: int | None) -> Compute:
    """Where to compute, with as many threads as a worker has."""
    import torch

    from model.compute import Compute

    chosen = online.settings(device=device, threads=threads)
    torch.set_num_threads(chosen.worker_threads)
    return Compute(device=chosen.device, precision=chosen.precision, engine=chosen.engine)


def _product() -> Product:
    """The first of the bundled models, drawn from and written as workers do."""
    from model.bench.subjects import Product
    from worker.cohort import default_chunk_size, write_cohort

    size = online.settings().chunk_size
    folder = min(BUNDLED.glob(f"*/{RECORD}")).parent
    return Product(folder, lambda model: size or default_chunk_size(model), write_cohort)


def _scaling(path: Path, compute: Compute, *, runs: int) -> None:
    from model.bench.scaling import measure_scaling
    from model.bench.scaling_plot import scaling_plot, told
    from model.files import write_bytes

    curves = measure_scaling(_product(), compute, runs=runs, notice=notice)
    write_bytes(path, scaling_plot(curves).encode())
    for curve in curves:
        stdout.print(told(curve), markup=False)
    stdout.print(str(path), markup=False)


def _keep(found: Bench, *, json: Path | None, history: Path | None) -> None:
    from model.bench.history import append_history
    from model.bench.records import write_bench

    if json is not None:
        write_bench(found, json)
        stdout.print(str(json), markup=False)
    if history is not None:
        append_history(found, history, commit=_commit())
        stdout.print(str(history), markup=False)


def _commit() -> str:
    """The commit of the software, marked if files were changed since; "unknown" where there is no repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "-C", str(BUNDLED), "describe", "--always", "--dirty", "--exclude", "*"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _check(found: Bench, path: Path) -> None:
    from model.bench.expectations import read_expectations, shortfalls

    expected = read_expectations(path)
    below = shortfalls(found, expected)
    for sentence in below:
        err.print(sentence, style="bold red", markup=False)
    if below:
        raise typer.Exit(1)
    stdout.print(f"Every ratio is as expected on '{found.machine.kind}', or less by at most {expected.tolerance:.0%}.")
