"""Things that are made: datasets, models that are imported, jobs. Each once, however often its request is sent."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from cdmt_client import references, tables
from cdmt_client.effects import Flow, Form, Json, Request, Told
from cdmt_client.records import JobFacts
from cdmt_client.references import DatasetReference, ModelReference
from cdmt_client.retrying import Retries, answered
from cdmt_client.tables import Table

LabelRatios: TypeAlias = Mapping[str, Mapping[str, float] | str] | Sequence[Mapping[str, Any]] | str
"""Label -> category -> ratio (or "balanced"); a list of strata; or "balanced" alone."""
MAX_NAME = 128
RECEIVING_SECONDS = 900
"""How long the service may take to check a table that it has received."""


def upload(
    table: Table, *, name: str | None, schema: Mapping[str, Any] | None, told: Told | None, retries: Retries
) -> Flow[Json]:
    """The record of the new dataset."""
    fields = {"name": name, "schema": None if schema is None else json.dumps(schema)}
    return (yield from _made("/datasets", retries, form=tables.form(table, fields=fields, told=told)))


def train(
    dataset: DatasetReference,
    name: str | None,
    *,
    request: Mapping[str, Any],
    key: str | None,
    retries: Retries,
) -> Flow[Json]:
    """The job that trains a model called `name`, or like the dataset."""
    record = yield from references.dataset(dataset, retries)
    body = {"dataset_id": record["id"], "name": name or str(record["name"])[:MAX_NAME], **_given(request)}
    return (yield from _made("/jobs/train", retries, body=body, key=key))


def generate(model: ModelReference, *, request: Mapping[str, Any], key: str | None, retries: Retries) -> Flow[Json]:
    """The job that draws a cohort."""
    record = yield from references.model(model, retries)
    return (yield from _made("/jobs/generate", retries, body={"model_id": record["id"], **_given(request)}, key=key))


def evaluate(
    dataset: DatasetReference,
    synthetic: Table | JobFacts,
    *,
    request: Mapping[str, Any],
    key: str | None,
    told: Told | None,
    retries: Retries,
) -> Flow[Json]:
    """The job that compares a cohort of ours, or any table, with real stays."""
    record = yield from references.dataset(dataset, retries)
    asked = {"dataset_id": record["id"], **_given(request)}
    if isinstance(synthetic, JobFacts):
        return (yield from _made("/jobs/evaluate", retries, body={**asked, "job_id": synthetic.id}, key=key))
    form = tables.form(synthetic, fields={field: _text(value) for field, value in asked.items()}, told=told)
    return (yield from _made("/jobs/evaluate", retries, form=form, key=key))


def import_model(archive: str | os.PathLike[str], *, told: Told | None, retries: Retries) -> Flow[Json]:
    """The record of a model that another installation has exported."""
    return (yield from _made("/models", retries, form=tables.form(Path(archive), fields={}, told=told)))


def _made(
    path: str, retries: Retries, *, body: Json | None = None, form: Form | None = None, key: str | None = None
) -> Flow[Json]:
    """What the request has made, at its first try or at a later one: its Idempotency-Key is that of all of them."""
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    timeout = None if form is None else RECEIVING_SECONDS
    request = Request("POST", path, headers=headers, json=body, form=form, timeout=timeout)
    return (yield from answered(request, retries)).json()


def _given(request: Mapping[str, Any]) -> Json:
    """Without what was left to the service."""
    return {name: value for name, value in request.items() if value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
