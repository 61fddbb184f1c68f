"""Models: look at them, read their reports, carry them from one installation to another."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.archives import archive_download, import_archive
from service.api.auditing import event, recorded_download
from service.api.deps import CallerDep, ServicesDep, multipart_only
from service.api.idempotency import OnceDep, created, form_fingerprint
from service.api.openapi import file_form
from service.api.paging import Cursor, Limit, Page, after, link_next, take
from service.api.results import model_report, wanted_report
from service.api.submissions import delete_model
from service.api.uploads import receive_upload
from service.api.views import ModelView, model_view
from service.contracts.idempotency import Answer

FORM = file_form("the zip of GET /models/{id}/archive", fields={})

router = APIRouter(prefix="/models", tags=["models"])


@router.post("", status_code=201, response_model=ModelView, dependencies=[Depends(multipart_only)], openapi_extra=FORM)
async def import_model(request: Request, services: ServicesDep, caller: CallerDep, once: OnceDep) -> Response:
    """Take in a model that another installation has exported. It keeps its id."""
    with services.store.staging("import") as folder:
        form = await receive_upload(request, folder / "archive.zip", files=services.store.files)

        async def make(_model_id: str, is_resumed: bool) -> Answer:
            async with services.ingesting:
                record = await run_in_threadpool(
                    import_archive, form.path, folder, services=services, caller=caller, is_resumed=is_resumed
                )
            return created(f"/models/{record.id}", model_view(record, services.store))

        return await once("models", form_fingerprint(request, form), make)


@router.get("")
def list_models(
    request: Request, response: Response, services: ServicesDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[ModelView]:
    """Models, newest first."""
    records = services.store.models(after(services.store.ids("models"), cursor))
    found, next_cursor = take(records, limit)
    link_next(request, response, next_cursor)
    return Page(items=[model_view(record, services.store) for record in found], next_cursor=next_cursor)


@router.get("/{model_id}")
def get_model(model_id: str, services: ServicesDep) -> ModelView:
    """A model: its schema, how it was trained, and the main figures of its report."""
    return model_view(services.store.model(model_id), services.store)


@router.get("/{model_id}/report", response_class=Response)
def get_report(model_id: str, request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """The report on the model: JSON, or HTML for `Accept: text/html`."""
    return model_report(request, model_id, services, caller=caller, wanted=wanted_report(request))


@router.get("/{model_id}/report.html", response_class=Response)
def get_report_html(model_id: str, request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """The report on the model as one page that needs nothing else."""
    return model_report(request, model_id, services, caller=caller, wanted="html")


@router.get("/{model_id}/archive", response_class=Response)
def get_archive(model_id: str, request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """The model as a zip of safetensors and JSON, to be imported elsewhere."""
    model = services.store.model(model_id)
    handed_out = event("model.export", f"model/{model_id}", caller=caller, sha256=model.sha256)
    with recorded_download(request, handed_out, services):
        return archive_download(model, services)


@router.delete("/{model_id}", status_code=204)
def delete(model_id: str, services: ServicesDep, caller: CallerDep) -> None:
    """Remove a model; 409 while a job uses it. Cohorts made with it stay."""
    delete_model(model_id, services, caller=caller)
