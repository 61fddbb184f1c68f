"""An uploaded table becomes a dataset: read, checked against its schema, stored as Parquet with its record."""

from __future__ import annotations

from pathlib import Path, PurePath

from pydantic import ValidationError
from pydantic_core import from_json

from model.spec.schema import Schema
from service.api.auditing import event
from service.api.checking import check_upload
from service.api.deps import Caller, Services
from service.api.fields import BadFields, FieldError, field_errors
from service.api.uploads import Upload
from service.contracts.jobs import now
from service.contracts.records import TABLE, DatasetRecord
from service.contracts.storage import manifest, stage_record

MAX_NAME = 128


def ingest(upload: Upload, folder: Path, *, dataset_id: str, services: Services, caller: Caller) -> DatasetRecord:
    """Publish the table at `upload.path` as a dataset, made in `folder` in staging. Only the schema's columns stay.

    If there is a dataset of that id already, of a request that was cut off by a crash, that is the dataset.

    Raises DataError or SchemaError where the table does not match its schema, BadFields for the form's other fields.
    """
    if services.store.exists("datasets", dataset_id):
        return services.store.dataset(dataset_id)
    record = described(upload, folder, dataset_id=dataset_id, services=services, caller=caller)
    stage_record(folder, record)
    upload_of = event("dataset.upload", f"dataset/{record.id}", caller=caller, bytes=upload.bytes)
    with services.audit.recorded(upload_of):
        services.store.publish(folder, "datasets", record.id)
    return record


def described(upload: Upload, folder: Path, *, dataset_id: str, services: Services, caller: Caller) -> DatasetRecord:
    """The record of the table at `upload.path`, which is checked and written into `folder`. Raises as `ingest`."""
    given, name = given_schema(upload), dataset_name(upload)
    files = services.store.files
    checked = check_upload(upload.path, folder / TABLE, schema=given, settings=services.settings, files=files)
    return DatasetRecord(
        id=dataset_id,
        created_at=now(),
        caller=caller.name,
        name=name,
        sequence_length=checked.schema.sequence_length,
        table_schema=checked.schema,
        schema_inferred=given is None,
        columns=checked.columns,
        files=manifest(folder, files),
        sha256=upload.sha256,
        bytes=upload.bytes,
        **checked.summary.told(sequence_length=checked.schema.sequence_length).model_dump(),
    )


def given_schema(upload: Upload) -> Schema | None:
    """The schema in the form; None if there is none, so that it is inferred."""
    text = upload.fields.get("schema", "")
    if not text.strip():
        return None
    try:
        body = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise BadFields([FieldError(pointer="/schema", message="not JSON")]) from None
    try:
        return Schema.model_validate(body)
    except ValidationError as error:
        raise BadFields(field_errors(error.errors(include_url=False), body, prefix="/schema")) from None


def dataset_name(upload: Upload) -> str:
    """The name in the form, else that of the uploaded file without its suffix."""
    name = upload.fields.get("name", "").strip()
    if not name:
        stem = PurePath((upload.filename or "").replace("\\", "/")).stem
        return "".join(c for c in stem if c.isprintable())[:MAX_NAME].strip() or "dataset"
    if len(name) > MAX_NAME or not name.isprintable():
        raise BadFields([FieldError(pointer="/name", message=f"not printable text of at most {MAX_NAME} characters")])
    return name
