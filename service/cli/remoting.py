"""What the commands of `cdmt remote` share: the connection, following a job, fetching what it made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from model.spec.errors import CDMTError
from service.cli.show import ProgressBars, counts_table, notice, out, privacy_line

if TYPE_CHECKING:
    from cdmt_client import CohortClient, Job, Report

NO_CLIENT = "this installation has no Python client of the service: pip install ./client, from a checkout of it"
INTERRUPTED = 130


@dataclass(frozen=True)
class Connection:
    """Where the service is; what is None is for the environment to say."""

    server: str | None
    key_file: Path | None
    ca_file: Path | None


@contextmanager
def connected(context: typer.Context) -> Iterator[CohortClient]:
    """A client of the service; what goes wrong there is told as our own commands tell it."""
    try:
        from cdmt_client import CohortClient, CohortError
    except ImportError:
        raise CDMTError(NO_CLIENT) from None
    where: Connection = context.obj
    try:
        with CohortClient(
            where.server, api_key_file=where.key_file, verify=True if where.ca_file is None else where.ca_file
        ) as client:
            yield client
    except CohortError as error:
        asked = f" (request {error.request_id})" if error.request_id else ""
        raise CDMTError(f"{error}{asked}") from error


def follow(job: Job) -> None:
    """Wait for the job. Whoever interrupts that is told how to go on; the job is not disturbed."""
    try:
        notice(f"job {job.id}")
        with ProgressBars() as bars:
            job.wait(progress=bars)
    except KeyboardInterrupt:
        notice(f"The job goes on. To wait for it: cdmt remote wait {job.id}; to stop it: cdmt remote cancel {job.id}")
        raise typer.Exit(INTERRUPTED) from None


def tell(job: Job) -> None:
    """What came out, and what the privacy gate says of it."""
    result = job.result or {}
    for warning in result.get("warnings") or ():
        notice(f"warning: {warning}")
    if result.get("label_counts"):
        out.print(counts_table(result["label_counts"]))
    if result.get("privacy"):
        out.print(privacy_line(result["privacy"], result.get("privacy_reason")), markup=False)


def fetch(job: Job, path: Path) -> None:
    """Write the cohort."""
    with ProgressBars() as bars:
        job.download(path, progress=bars)
    say(path)


def fetch_reports(job: Job, page: Path | None, data: Path | None) -> None:
    """Write the report as HTML and as JSON, where either is wanted."""
    if page is not None:
        say(job.report_html(page))
    if data is not None:
        data.write_text(json.dumps(job.report(), indent=2) + "\n")
        say(data)


def figures_table(made: Report) -> Table:
    """The main figures, each beside that of held-out real stays."""
    table = Table("score", "synthetic", "real holdout")
    for title, (value, real) in made.figures().items():
        table.add_row(title, f"{value:.3f}", "" if real is None else f"{real:.3f}")
    return table


def say(text: object) -> None:
    """Print a line as it is."""
    out.print(str(text), markup=False)
