"""What jobs and models have to offer, and how it goes away: one flow per verb, for both clients."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from cdmt_client import downloads, references, tables
from cdmt_client.effects import Flow, Json, Request, Told
from cdmt_client.errors import Unreadable
from cdmt_client.records import Report
from cdmt_client.references import DatasetReference, ModelReference
from cdmt_client.retrying import Retries, answered

if TYPE_CHECKING:
    import pandas as pd

Format: TypeAlias = Literal["parquet", "csv"]
Place: TypeAlias = str | os.PathLike[str]


def cohort_file(
    job_id: str, path: Place, *, form: Format | None, reason: str | None, told: Told, retries: Retries
) -> Flow[Path]:
    """The cohort as a file; its format by the end of its name, if none is given."""
    if form is None:
        form = "csv" if Path(path).suffix.lower() == ".csv" else "parquet"
    return (yield from downloads.to_path(_cohort(job_id, form, reason), path, told=told, retries=retries))


def cohort_frame(job_id: str, *, reason: str | None, told: Told, retries: Retries) -> Flow[pd.DataFrame]:
    """The cohort as a frame: a row per stay and time step."""
    content = yield from downloads.to_memory(_cohort(job_id, "parquet", reason), told=told, retries=retries)
    return tables.frame(content)


def job_report(job_id: str, retries: Retries) -> Flow[Report]:
    """The report that a job has made."""
    return (yield from _report(f"/jobs/{job_id}", retries))


def job_report_page(job_id: str, path: Place, retries: Retries) -> Flow[Path]:
    """The same as a page."""
    return (yield from _page(f"/jobs/{job_id}", path, retries))


def model_report(model: ModelReference, retries: Retries) -> Flow[Report]:
    """The report on a model."""
    record = yield from references.model(model, retries)
    return (yield from _report(f"/models/{record['id']}", retries))


def model_report_page(model: ModelReference, path: Place, retries: Retries) -> Flow[Path]:
    """The same as a page."""
    record = yield from references.model(model, retries)
    return (yield from _page(f"/models/{record['id']}", path, retries))


def model_archive(model: ModelReference, path: Place, *, told: Told, retries: Retries) -> Flow[Path]:
    """A model as a zip, for another installation."""
    record = yield from references.model(model, retries)
    request = Request("GET", f"/models/{record['id']}/archive")
    return (yield from downloads.to_path(request, path, told=told, retries=retries))


def without_model(model: ModelReference, retries: Retries) -> Flow[None]:
    """Remove a model."""
    record = yield from references.model(model, retries)
    yield from removed(f"/models/{record['id']}", retries)


def without_dataset(dataset: DatasetReference, retries: Retries) -> Flow[None]:
    """Remove a dataset."""
    record = yield from references.dataset(dataset, retries)
    yield from removed(f"/datasets/{record['id']}", retries)


def removed(path: str, retries: Retries) -> Flow[None]:
    """Remove what is at this path."""
    yield from answered(Request("DELETE", path), retries)


def cancelled(job_id: str, retries: Retries) -> Flow[Json]:
    """The job once it has been asked to stop."""
    return (yield from answered(Request("POST", f"/jobs/{job_id}/cancel"), retries)).json()


def _cohort(job_id: str, form: Format, reason: str | None) -> Request:
    headers = {} if reason is None else {"X-Override-Reason": reason}
    return Request("GET", f"/jobs/{job_id}/cohort", params={"format": form}, headers=headers)


def _report(owner: str, retries: Retries) -> Flow[Report]:
    content = yield from downloads.to_memory(Request("GET", f"{owner}/report"), told=None, retries=retries)
    try:
        return Report(json.loads(content))
    except ValueError:
        raise Unreadable(f"{owner}/report: not JSON") from None


def _page(owner: str, path: Place, retries: Retries) -> Flow[Path]:
    request = Request("GET", f"{owner}/report.html", headers={"Accept": "text/html"})
    return (yield from downloads.to_path(request, path, told=None, retries=retries))
