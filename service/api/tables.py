"""A synthetic table that comes with its request to be evaluated: checked as datasets are, kept with the job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path, PurePath
from typing import Any

from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from model.spec.errors import DataError
from service.api.bodies import parsed
from service.api.checking import check_upload
from service.api.deps import Caller, Services
from service.api.fields import BadFields, FieldError
from service.api.idempotency import Once, form_fingerprint
from service.api.submissions import submit
from service.api.uploads import Upload, receive_upload
from service.contracts.idempotency import Answer
from service.contracts.jobs import JobRecord
from service.contracts.records import SYNTHETIC
from service.contracts.requests import EvaluateRequest

FIELDS = ("dataset_id", "holdout_dataset_id", "metrics", "detail", "seed", "webhook")
MAX_FILENAME = 128


async def submit_table(
    request: Request,
    *,
    services: Services,
    caller: Caller,
    once: Once,
    answer: Callable[[JobRecord], Awaitable[Answer]],
) -> Response:
    """Queue an evaluation of the table in a form, and say so by `answer`.

    Raises BadFields, RequestValidationError or NotFound for the form's other fields, DataError for the table.
    """
    with services.store.staging("table") as folder:
        form = await receive_upload(request, folder / "upload", fields=FIELDS, files=services.store.files)

        async def make(job_id: str, _is_resumed: bool) -> Answer:
            async with services.ingesting:
                job = await run_in_threadpool(_submit, form, folder, job_id=job_id, services=services, caller=caller)
            return await answer(job)

        return await once("jobs", form_fingerprint(request, form), make)


def _submit(form: Upload, folder: Path, *, job_id: str, services: Services, caller: Caller) -> JobRecord:
    if services.store.exists("jobs", job_id):  # of a request that was cut off by a crash
        return services.jobs.read(job_id)
    request = _request(form)
    schema = services.store.dataset(request.dataset_id).table_schema
    # Nobody is a patient of several synthetic stays, and a cohort may be of one label.
    schema = schema.model_copy(update={"patient_id": None})
    checked = check_upload(
        form.path,
        folder / SYNTHETIC,
        schema=schema,
        settings=services.settings,
        files=services.store.files,
        one_class=True,
    )
    if checked.summary.n_stays < 2:
        raise DataError("the table has one stay; an evaluation needs at least 2")
    assert request.table is not None
    table = request.table.model_copy(update={"n_stays": checked.summary.n_stays})
    request = request.model_copy(update={"table": table})
    return submit(request, job_id, services=services, caller=caller, table=folder / SYNTHETIC)


def _request(form: Upload) -> EvaluateRequest:
    given: dict[str, Any] = {name: text.strip() for name, text in form.fields.items() if text.strip()}
    if "metrics" in given:
        given["metrics"] = _metrics(given["metrics"])
    if "webhook" in given:
        given["webhook"] = {"url": given["webhook"]}
    if "dataset_id" not in given:
        raise BadFields([FieldError(pointer="/dataset_id", message="the form has no such field")])
    table = {"filename": _filename(form), "n_stays": 0, "sha256": form.sha256, "bytes": form.bytes}
    return parsed({**given, "table": table}, EvaluateRequest)


def _metrics(text: str) -> object:
    """A JSON list, or names separated by commas."""
    if not text.startswith("["):
        return [name.strip() for name in text.split(",") if name.strip()]
    try:
        return from_json(text)
    except ValueError:
        raise BadFields([FieldError(pointer="/metrics", message="neither a JSON list nor names and commas")]) from None


def _filename(form: Upload) -> str | None:
    name = PurePath((form.filename or "").replace("\\", "/")).name
    return "".join(c for c in name if c.isprintable())[:MAX_FILENAME].strip() or None
