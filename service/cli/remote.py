"""`cdmt remote`: a service somewhere else, by its Python client. A key comes from a file or the environment only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Column, Table

from model.spec.errors import CDMTError
from model.spec.presets import Preset
from service.cli.ratios import EXAMPLE, parse_ratios
from service.cli.remoting import Connection, connected, fetch, fetch_reports, figures_table, follow, say, tell
from service.cli.show import ProgressBars, notice, out, privacy_line
from service.contracts.jobs import JobKind, JobState

HELD = 3
SHOWN = 20
ID = Column("id", min_width=36)
"""Whole, in the narrowest terminal."""

JobId = Annotated[str, typer.Argument(help="The job's id; see `cdmt remote jobs`.")]
DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="A dataset's id, or its name if only one has it.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Parquet or CSV, one row per stay and time.")]
Seed = Annotated[int | None, typer.Option(min=0, help="The same seed on the same device gives the same result.")]
PresetName = Annotated[Preset | None, typer.Option(help="paper: the paper's settings, where no option says else.")]
Detail = Annotated[Literal["quick", "full"] | None, typer.Option(help="full: five seeds, larger samples; minutes.")]
ReportFile = Annotated[Path | None, typer.Option("--report", help="HTML file for the report.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="JSON file for the report.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait for the job: print its id.")]

app = typer.Typer(
    help="Use a service over the network. The key comes from CDMT_API_KEY, CDMT_API_KEY_FILE or --key-file.",
    no_args_is_help=True,
)


@app.callback()
def connection(
    context: typer.Context,
    *,
    server: Annotated[str | None, typer.Option(help="Its URL (default: CDMT_SERVER, or this machine).")] = None,
    key_file: Annotated[Path | None, typer.Option(exists=True, help="The file that holds the key.")] = None,
    ca_file: Annotated[Path | None, typer.Option(exists=True, help="Authorities to trust, PEM (CDMT_CA_FILE).")] = None,
) -> None:
    """Remember where it is."""
    context.obj = Connection(server, key_file, ca_file)


@app.command()
def upload(
    context: typer.Context,
    table: File,
    *,
    name: Annotated[str | None, typer.Option(help="The dataset's name (default: the file's).")] = None,
    schema: Annotated[Path | None, typer.Option(exists=True, help="JSON; absent: inferred by the service.")] = None,
) -> None:
    """Store a table of real stays, and print the dataset's id."""
    described = None if schema is None else _json(schema)
    with connected(context) as client, ProgressBars() as bars:
        dataset = client.upload(table, name=name, schema=described, progress=bars)
    notice(f"'{dataset.name}': {dataset.n_stays:,} stays")
    out.print(dataset.id)


@app.command()
def datasets(context: typer.Context) -> None:
    """List the datasets, newest first."""
    table = Table(ID, "name", "stays", "created", box=None)
    with connected(context) as client:
        for dataset in client.datasets():
            table.add_row(dataset.id, dataset.name, f"{dataset.n_stays:,}", str(dataset.data["created_at"])[:16])
    out.print(table)


@app.command()
def train(
    context: typer.Context,
    dataset: DatasetName,
    *,
    name: Annotated[str | None, typer.Option(help="The model's name (default: the dataset's).")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Longest duration of the optimisation.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Most optimiser steps.")] = None,
    preset: PresetName = None,
    seed: Seed = None,
    detach: Detach = False,
) -> None:
    """Train a model on a dataset, and print the model's id."""
    training = _given({"max_minutes": minutes, "max_steps": steps})
    with connected(context) as client:
        job = client.train(dataset, name, training=training or None, seed=seed, preset=preset)
        if detach:
            out.print(job.id)
        else:
            follow(job)
            out.print(job.model_id)


@app.command()
def models(context: typer.Context) -> None:
    """List the models, newest first."""
    table = Table(ID, "name", "origin", "stays", "created", box=None)
    with connected(context) as client:
        for model in client.models():
            data = model.data
            created = str(data["created_at"])[:16]
            table.add_row(model.id, model.name, data["origin"], f"{data['n_train']:,}", created)
    out.print(table)


@app.command()
def generate(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="A model's id or name (default: the only one there is).")] = None,
    *,
    n_stays: Annotated[int, typer.Option("-n", "--stays", min=1, help="How many stays.")],
    out: Annotated[Path, typer.Option(help="File to write: .parquet, or .csv.")] = Path("cohort.parquet"),
    ratio: Annotated[list[str] | None, typer.Option(help=f"{EXAMPLE}, or <label>=balanced; once per label.")] = None,
    report: ReportFile = None,
    json: JsonFile = None,
    preset: PresetName = None,
    detail: Detail = None,
    seed: Seed = None,
    detach: Detach = False,
) -> None:
    """Generate synthetic stays with the label ratios you ask for, and fetch them."""
    asked: dict[str, Any] = {
        "label_ratios": parse_ratios(ratio or ()),
        "preset": preset,
        "detail": detail,
        "seed": seed,
    }
    with connected(context) as client:
        job = client.generate(model, n_stays=n_stays, **asked)
        if detach:
            say(job.id)
            return
        follow(job)
        tell(job)
        fetch(job, out)
        fetch_reports(job, report, json)


@app.command()
def evaluate(
    context: typer.Context,
    dataset: DatasetName,
    synthetic: File,
    *,
    report: ReportFile = None,
    json: JsonFile = None,
    detail: Detail = None,
    seed: Seed = None,
    fail_if_held: Annotated[
        bool, typer.Option("--fail-if-held", help=f"Exit status {HELD} if the privacy tests hold the table back.")
    ] = False,
) -> None:
    """Report how close a synthetic table is to a dataset, whoever made it."""
    with connected(context) as client:
        with ProgressBars() as bars:
            job = client.evaluate(dataset, synthetic, detail=detail, seed=seed, progress=bars)
        follow(job)
        made = job.report()
        out.print(figures_table(made))
        tell(job)
        fetch_reports(job, report, json)
    if fail_if_held and made.privacy == "held":
        raise typer.Exit(HELD)


@app.command()
def jobs(
    context: typer.Context,
    *,
    status: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[JobKind | None, typer.Option(help="Only jobs of this kind.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many at most.")] = SHOWN,
) -> None:
    """List your jobs, newest first."""
    table = Table(ID, "kind", "status", "progress", "created", box=None)
    with connected(context) as client:
        for job in client.jobs(status=status, kind=kind, limit=limit):
            progress = job.progress
            now = f"{progress.step} {progress.value:,}/{progress.max:,}" if progress and not job.has_ended else ""
            table.add_row(job.id, job.kind, job.status, now, str(job.data["created_at"])[:16])
    out.print(table)


@app.command()
def wait(context: typer.Context, job_id: JobId) -> None:
    """Wait until a job has ended, showing its progress; exit status 1 unless it succeeded."""
    with connected(context) as client:
        job = client.job(job_id)
        follow(job)
        tell(job)


@app.command()
def cancel(context: typer.Context, job_id: JobId) -> None:
    """Ask a job to stop."""
    with connected(context) as client:
        out.print(client.job(job_id).cancel().status)


@app.command()
def download(
    context: typer.Context,
    job_id: JobId,
    path: Annotated[Path, typer.Argument(help="File to write: .parquet, or .csv.")] = Path("cohort.parquet"),
) -> None:
    """Fetch the cohort of a job."""
    with connected(context) as client:
        fetch(client.job(job_id), path)


@app.command()
def report(
    context: typer.Context,
    job_id: JobId,
    path: Annotated[Path | None, typer.Argument(help="File to write: .html or .json; absent: a summary.")] = None,
) -> None:
    """Fetch or show the report of a job."""
    with connected(context) as client:
        job = client.job(job_id)
        if path is None:
            made = job.report()
            out.print(figures_table(made))
            out.print(privacy_line(made["privacy"]["status"], made["privacy"]["reason"]), markup=False)
        elif path.suffix.lower() == ".json":
            fetch_reports(job, None, path)
        else:
            fetch_reports(job, path, None)


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise CDMTError(f"{path} is not JSON: {error}") from None
    return found


def _given(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
