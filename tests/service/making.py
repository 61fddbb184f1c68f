"""Small things to test the gateway with, made as the worker would make them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.privacy import HeldTest, PrivacyStatus
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.records import (
    COHORT,
    REPORT_HTML,
    REPORT_JSON,
    WEIGHTS,
    CohortRecord,
    ModelRecord,
    ReportRecord,
)
from service.contracts.requests import GenerateRequest
from service.contracts.storage import ArtifactStore, manifest, write_record

SCHEMA = Schema(
    stay_id="stay",
    time="hour",
    sequence_length=3,
    features=(
        NumericalFeature(name="heart_rate", unit="/min", min=0, max=300),
        CategoricalFeature(name="ventilated", categories=("no", "yes")),
    ),
    labels=(Label(name="death", categories=("0", "1")), Label(name="sex", categories=("F", "M"))),
)
SECRET = 123456.75  # stands for a patient's value: no answer and no log may hold it


def table(n_stays: int = 40, length: int = 3) -> pd.DataFrame:
    """Stays 100, 101, ...: every second one died, every third is a man."""
    stay = np.repeat(np.arange(n_stays), length)
    step = np.tile(np.arange(length), n_stays)
    return pd.DataFrame(
        {
            "stay": stay + 100,
            "hour": step.astype(np.int8),
            "heart_rate": np.float32(60) + stay % 7 + step,
            "ventilated": np.where(stay % 4 == 0, "yes", "no"),
            "death": (stay % 2).astype(np.int8),
            "sex": np.where(stay % 3 == 0, "M", "F"),
        }
    )


def parquet(frame: pd.DataFrame) -> bytes:
    """The frame as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def safetensors() -> bytes:
    """A safetensors file with one tensor of one number."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + np.float32(1).tobytes()


def add_model(store: ArtifactStore, model_id: str = "model-1", *, schema: Schema = SCHEMA) -> ModelRecord:
    """Publish a model whose weights mean nothing."""
    with store.staging("model") as folder:
        (folder / WEIGHTS).write_bytes(safetensors())
        (folder / "model.json").write_text("{}")
        (folder / REPORT_JSON).write_text('{"scores": []}')
        (folder / REPORT_HTML).write_text("<!doctype html><title>report</title>")
        record = ModelRecord(
            id=model_id,
            created_at=now(),
            name="a model",
            table_schema=schema,
            training=TrainingConfig(),
            network=NetworkConfig(),
            holdout_fraction=0.2,
            seed=0,
            dataset_id=None,
            n_train=32,
            n_holdout=8,
            n_steps=1,
            files=manifest(folder),
        )
        write_record(folder, record)
        store.publish(folder, "models", model_id)
    return record


def add_job(
    store: ArtifactStore, job_id: str, request: GenerateRequest | None = None, *, caller: str | None = None
) -> JobRecord:
    """A queued job that RQ does not know of."""
    wanted = request or GenerateRequest(model_id="model-1", n_stays=2)
    record = JobRecord(id=job_id, created_at=now(), request=wanted, caller=caller)
    JobStore(store).create(record)
    return record


def cohort_table() -> pa.Table:
    """Two stays of two steps, with missing values of every kind."""
    return pa.table(
        {
            "stay": pa.array([0, 0, 1, 1], pa.int64()),
            "heart_rate": pa.array([80.5, float("nan"), None, 90.25], pa.float32()),
            "ventilated": pa.array(["no", "yes", None, 'a "b", c'], pa.string()),
        }
    )


HELD_TEST = HeldTest(
    name="dcr_share",
    value=0.71,
    low=0.6512,
    threshold=0.55,
    detail="distance to the closest record: 0.71, at least 0.6512, where at most 0.55 is allowed",
)


def finish_generate(
    store: ArtifactStore, job_id: str, *, privacy: PrivacyStatus = "passed", retention_seconds: float = 0
) -> bytes:
    """Publish a cohort for a job and let the job succeed; returns the bytes of the Parquet."""
    jobs = JobStore(store, retention_seconds=retention_seconds)
    request = jobs.read(job_id).request
    assert isinstance(request, GenerateRequest)
    with store.staging("cohort") as folder:
        pq.write_table(cohort_table(), folder / COHORT, row_group_size=2)
        files = manifest(folder)
        write_record(
            folder, CohortRecord(id=job_id, created_at=now(), model_id=request.model_id, n_stays=2, files=files)
        )
        store.publish(folder, "cohorts", job_id)
    if request.evaluate:
        _publish_report(store, job_id)
    result = JobResult(
        n_stays=2,
        sha256=files[COHORT].sha256,
        bytes=files[COHORT].bytes,
        privacy=privacy,
        privacy_reason="a reason",
        privacy_failed=(HELD_TEST,) if privacy == "held" else (),
    )
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": "running", "attempts": 1}))
    done = {"status": "succeeded", "result": result, "finished_at": now()}
    jobs.transition(job_id, lambda job: job.model_copy(update=done))
    return Path(store.cohort_dir(job_id) / COHORT).read_bytes()


def _publish_report(store: ArtifactStore, job_id: str) -> None:
    with store.staging("report") as folder:
        (folder / REPORT_JSON).write_text('{"scores": [1]}')
        (folder / REPORT_HTML).write_text("<!doctype html><title>cohort</title>")
        files = manifest(folder)
        write_record(folder, ReportRecord(id=job_id, created_at=now(), dataset_id=None, cohort_id=job_id, files=files))
        store.publish(folder, "reports", job_id)
