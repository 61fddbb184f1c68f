"""What must hold once all jobs have ended, read from the disk itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from service.contracts.jobs import JobRecord
from service.contracts.records import COHORT, WEIGHTS
from service.contracts.requests import TrainRequest
from service.contracts.storage import RECORD, file_sha256
from tests.chaos.stack import Stack
from tests.worker.tables import LENGTH


@dataclass(frozen=True)
class Case:
    """A request, and the label counts that must come out of it; None where it is of no interest."""

    path: str
    body: dict[str, Any]
    label_counts: dict[str, dict[str, int]] | None


def check_succeeded(stack: Stack, job_id: str, case: Case) -> str:
    """The file of a job that succeeded is whole, and says what the record says; its sha256."""
    record = stack.jobs.read(job_id)
    assert record.status == "succeeded", f"{job_id}: {record.status} {record.error}"
    assert record.result is not None
    is_training = isinstance(record.request, TrainRequest)
    path = (stack.store.model_dir(job_id) / WEIGHTS) if is_training else (stack.store.cohort_dir(job_id) / COHORT)
    sha256 = file_sha256(path)
    assert (sha256, path.stat().st_size) == (record.result.sha256, record.result.bytes)
    if not is_training:
        _check_cohort(pd.read_parquet(path), record, case)
    return sha256


def _check_cohort(frame: pd.DataFrame, record: JobRecord, case: Case) -> None:
    n_stays = case.body["n_stays"]
    assert len(frame) == n_stays * LENGTH
    labels = frame.groupby("stay").first()
    assert len(labels) == n_stays
    for name, counts in (case.label_counts or {}).items():
        found = {str(value): n for value, n in labels[name].value_counts().items()}
        assert record.result is not None
        assert record.result.label_counts is not None
        assert found == counts == record.result.label_counts[name]


def check_store(stack: Stack) -> None:
    """Nothing lies in the store but what a job that is there has made."""
    store, records = stack.store, {record.id: record for record in stack.jobs.records()}
    assert set(store.ids("jobs")) == set(records), "a record cannot be read"
    open_jobs = [record.id for record in records.values() if not record.is_terminal]
    assert not open_jobs, f"jobs that nobody knows of have not ended: {open_jobs}"
    succeeded = {record.id: record for record in records.values() if record.status == "succeeded"}
    drawn = {i for i, record in succeeded.items() if record.kind == "generate"}
    assert set(store.ids("cohorts")) == drawn, "cohorts"
    trained = {i for i, record in succeeded.items() if record.kind == "train"}
    assert set(store.ids("models")) - stack.furniture == trained, "models"
    assert set(store.ids("reports")) <= set(succeeded), "reports"
    strays = [str(path.relative_to(store.root)) for path in (store.root / "jobs").glob("*/*") if path.name != RECORD]
    assert not strays, f"beside records: {strays}"


def disorder(stack: Stack) -> str:
    """What `check_store` objects to; nothing once the reconciler has swept what dead processes left."""
    try:
        check_store(stack)
    except AssertionError as error:
        return f"the store is not in order: {error}"
    return ""


def leftovers(stack: Stack) -> list[str]:
    """What lies in staging, once it has been swept, and where jobs keep things for another attempt."""
    stack.store.sweep_staging(max_age_seconds=0)
    return [f"{name}/{path.name}" for name in ("work", "staging") for path in (stack.store.root / name).iterdir()]


def check_remains(stack: Stack) -> list[str]:
    """What is still in the store although every job has been deleted."""
    store = stack.store
    left = [f"{kind}/{i}" for kind in ("jobs", "cohorts", "reports") for i in store.ids(kind)]
    left += [f"models/{i}" for i in store.ids("models") if i not in stack.furniture]
    return left + leftovers(stack)
